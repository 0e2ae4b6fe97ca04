"""Photos as a network sees them, against Pillow, NumPy and what files were made to hold."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from framevote.errors import InputError
from framevote.photos import PHOTO_SUFFIXES, read_photo
from framevote.records import View

SQUARE = View(64, 64)


def coloured(width=120, height=80, seed=3):
    """A smooth picture in which every place is another colour."""
    y, x = np.mgrid[:height, :width]
    phase = np.random.default_rng(seed).random(3) * 6
    waves = [127 + 100 * np.sin(x / width * 5 + phase[0]) * np.cos(y / height * 4 + phase[c] + c) for c in range(3)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def saved(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def test_a_photo_is_a_frame_of_its_pixels(tmp_path):
    pixels = coloured()
    frame = read_photo(saved(tmp_path / "a.png", pixels))
    assert np.array_equal(frame.image, pixels)
    assert (frame.time, frame.frames) == (0.0, 1)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "bmp", "ppm", "tga", "jp2", "avif"])
def test_every_format_shows_the_same(suffix, tmp_path):
    pixels = coloured()
    frame = read_photo(saved(tmp_path / f"a.{suffix}", pixels))
    assert f".{suffix}" in PHOTO_SUFFIXES
    assert np.abs(frame.image.astype(int) - pixels).mean() < 4


# What each EXIF orientation does to the upright picture when it is stored: the inverse of the viewer's turn (EXIF 2.32, 4.6.5).
STORED = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: np.rot90,
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_exif_turns_it_upright(orientation, tmp_path):
    pixels, exif = coloured(), Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](pixels))
    frame = read_photo(saved(tmp_path / "a.png", stored, exif=exif))
    assert np.array_equal(frame.image, pixels)
    large = np.ascontiguousarray(STORED[orientation](coloured(960, 640)))
    seen = read_photo(saved(tmp_path / "a.jpg", large, exif=exif, quality=95), View(60, 40)).image  # decoded at a smaller size
    assert np.abs(seen.astype(int) - np.asarray(Image.fromarray(coloured(960, 640)).resize((60, 40)))).mean() < 4


def test_what_is_transparent_shows_white(tmp_path):
    rgba = np.dstack([coloured(), np.full((80, 120), 255, np.uint8)])
    rgba[:40, :, 3] = 0
    rgba[40:60, :, 3] = 51
    seen = read_photo(saved(tmp_path / "a.png", rgba)).image.astype(int)
    assert (seen[:40] == 255).all()
    assert np.abs(seen[40:60] - (0.2 * rgba[40:60, :, :3] + 0.8 * 255)).max() <= 1
    assert np.array_equal(seen[60:], rgba[60:, :, :3])


def test_a_palette_with_a_transparent_entry(tmp_path):
    photo = Image.new("P", (4, 2), 1)
    photo.putpalette([0, 0, 0, 10, 200, 30])
    photo.paste(0, (0, 0, 2, 2))
    photo.save(tmp_path / "a.png", transparency=0)
    seen = read_photo(tmp_path / "a.png").image
    assert (seen[:, :2] == 255).all()
    assert (seen[:, 2:] == [10, 200, 30]).all()


def test_grey_of_16_bits_becomes_8(tmp_path):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(3, 0)
    dark = np.arange(256, dtype=np.uint16)[None].repeat(3, 0)  # nearly black, and no picture of 8 bits
    for name in ("a.png", "a.tif"):
        seen = read_photo(saved(tmp_path / name, ramp)).image
        assert np.abs(seen[0, :, 0].astype(int) - np.arange(256)).max() <= 1
        assert (seen[..., 0] == seen[..., 2]).all()
        assert read_photo(saved(tmp_path / f"dark {name}", dark)).image.max() <= 1


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_grey_in_decimals_by_its_brightest(white, tmp_path):
    ramp = (np.linspace(0, 1, 256) * white).astype(np.float32)[None].repeat(2, 0)
    ramp[1, 0] = np.nan
    seen = read_photo(saved(tmp_path / "a.tif", ramp)).image
    assert np.abs(seen[0, :, 0].astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "CMYK", "YCbCr"])
def test_other_modes_become_rgb(mode, tmp_path):
    photo = Image.fromarray(coloured()).convert(mode)
    photo.save(tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr") else "a.png"))
    seen = read_photo(next(tmp_path.iterdir())).image
    assert np.abs(seen.astype(int) - np.asarray(photo.convert("RGB"))).max() <= 1


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (1920, 1080), (100, 70)])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_scaled_as_pillow_would(size, suffix, tmp_path):
    pixels, view = coloured(*size), View(64, 64, crop=0.875)
    seen = read_photo(saved(tmp_path / f"a.{suffix}", pixels, quality=95), view).image
    side = min(size) * 0.875
    left, top = (size[0] - side) / 2, (size[1] - side) / 2
    expected = Image.fromarray(pixels).resize((64, 64), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
    difference = np.abs(seen.astype(int) - np.asarray(expected))
    assert seen.shape == (64, 64, 3)
    assert difference.mean() < 2
    assert difference.max() < 24


def test_fits_differ(tmp_path):
    path = saved(tmp_path / "a.png", np.full((50, 200, 3), 200, np.uint8))
    boxed = read_photo(path, View(40, 40, "letterbox")).image
    assert (boxed[:12] == 0).all()
    assert (boxed[16:24] > 190).all()
    assert (read_photo(path, View(40, 40, "squash")).image > 190).all()


def png_of(width, height):
    """The head of a PNG of any size, without its pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def write_bad(folder):
    """Photos that are none, by what the sentence says of them."""
    whole = saved(folder / "whole.jpg", np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)).read_bytes()
    held = {
        "cut.jpg": whole[: len(whole) // 2],
        "text.jpg": b"no photo at all",
        "empty.png": b"",
        "huge.png": png_of(30000, 30000),
        "hollow.png": png_of(30, 30),
        "cut.png": saved(folder / "whole.png", coloured()).read_bytes()[:2000],
    }
    for name, data in held.items():
        (folder / name).write_bytes(data)
    (folder / "folder.jpg").mkdir()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cut.jpg", "whole, undamaged"),
        ("cut.png", "whole, undamaged"),
        ("hollow.png", "whole, undamaged"),
        ("text.jpg", "is no photo"),
        ("empty.png", "is no photo"),
        ("huge.png", "too large a photo"),
        ("none.jpg", "No such file"),
        ("folder.jpg", "directory"),
        ("zero\0.jpg", "cannot be read"),
    ],
)
def test_what_is_no_photo_is_told(name, said, tmp_path):
    write_bad(tmp_path)
    with pytest.raises(InputError, match=said) as told:
        read_photo(tmp_path / name, SQUARE)
    assert str(told.value).startswith(str(tmp_path / name))
    assert "Expected" in str(told.value)


def test_odd_marginal_data_is_no_warning(tmp_path):
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x05" + b"\x01\x12\0\x03\0\0\xff\xff\0\0\xff\xff" * 2
    seen = read_photo(saved(tmp_path / "a.jpg", coloured(), exif=exif))
    assert seen.image.shape == (80, 120, 3)


def test_real_photos_are_read_as_pillow_reads_them(shared):
    for path in sorted((shared / "sports").glob("*/*.jpg"))[::400]:
        with Image.open(path) as photo:
            expected = np.asarray(photo.convert("RGB"))
        assert np.array_equal(read_photo(path).image, expected)
