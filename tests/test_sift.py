"""Dense SIFT: where its points are, and that its numbers are OpenCV's own."""

import builtins
from itertools import chain

import numpy as np
import pytest

from framevote.descriptors import DenseSIFT
from framevote.errors import MissingExtra, PartError
from framevote.parts import build
from framevote.records import Frame, View

cv2 = pytest.importorskip("cv2")


def picture(size, seed=0):
    """Blurred noise: gradients everywhere, in every direction."""
    noise = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2) // 2 + cv2.GaussianBlur(noise, (0, 0), 8) // 2


def described(part, image):
    (found,) = part([Frame(image, 0.0)])
    return found


def pixels(part):
    """The whole pixels in whose middle points lie, (N, 2)."""
    found = described(part, picture(part.size)).places * part.size - 0.5
    np.testing.assert_allclose(found, found.round(), atol=1e-4)
    return found.round().astype(int)


@pytest.mark.parametrize("size", [32, 64, 65, 100, 256])
@pytest.mark.parametrize("step", [1, 3, 8, 50, 512])
@pytest.mark.parametrize("cell", [1, 3, 4, 8])
def test_points_are_an_even_grid_in_the_middle_of_the_picture(size, step, cell):
    if step == 1 and size > 65:
        pytest.skip("very many")
    found = pixels(DenseSIFT(size=size, step=step, cells=str(cell)))
    along = np.unique(found[:, 0])
    assert len(found) == len(along) ** 2
    np.testing.assert_array_equal(np.unique(found[:, 1]), along)
    assert (np.diff(along) == step).all()
    before, after = along[0] + 0.5 - 2 * cell, size - 2 * cell - along[-1] - 0.5  # from a descriptor's edge to the picture's
    assert min(before, after) >= -0.5
    assert abs(before - after) <= 1
    assert before + after < step  # one more would not fit


def test_points_lie_row_by_row_and_size_by_size():
    part = DenseSIFT(size=64, step=16, cells="4+8")
    small, large = pixels(DenseSIFT(size=64, step=16, cells="4")), pixels(DenseSIFT(size=64, step=16, cells="8"))
    np.testing.assert_array_equal(pixels(part), np.concatenate([small, large]))
    np.testing.assert_array_equal(small, small[np.lexsort(small.T)])


@pytest.mark.parametrize("root", [True, False])
def test_numbers_are_opencvs(root):
    part, image = DenseSIFT(size=96, step=7, cells="3+6", root=root), picture(96)
    found = described(part, image)
    sizes = np.repeat([2.0, 4.0], [len(pixels(DenseSIFT(size=96, step=7, cells=cells))) for cells in ("3", "6")])
    points = [cv2.KeyPoint(float(x), float(y), size, 0) for (x, y), size in zip(pixels(part), sizes, strict=True)]
    _, theirs = cv2.SIFT_create().compute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), points)
    expected = np.sqrt(theirs / theirs.sum(axis=1, keepdims=True)) if root else theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found.values, axis=1), 1, atol=1e-4)


def test_a_flat_picture_gives_zeros():
    for level in (0, 128, 255):
        found = described(DenseSIFT(size=64, step=8, cells="4"), np.full((64, 64, 3), level, np.uint8))
        assert found.values.shape == (49, 128)
        assert not found.values.any()


def turned(values, places):
    """What descriptors become when the picture is mirrored left to right: cells and directions run the other way."""
    columns = np.lexsort((-places[:, 0], places[:, 1]))
    cells = values[columns].reshape(-1, 4, 4, 8)[:, :, ::-1]
    return cells[..., (4 - np.arange(8)) % 8].reshape(-1, 128)


def likeness(one, two):
    return (one * two).sum(axis=1).mean()


@pytest.mark.parametrize("size", [64, 65])
def test_a_mirrored_picture_gives_mirrored_descriptors(size):
    part, image = DenseSIFT(size=size, step=8, cells="4", root=False), picture(size)
    one, two = described(part, image), described(part, np.ascontiguousarray(image[:, ::-1]))
    assert likeness(turned(one.values, one.places), two.values) > 0.85
    assert likeness(one.values, two.values) < 0.8


def test_a_picture_turned_by_a_quarter_gives_descriptors_with_turned_directions():
    part, image = DenseSIFT(size=65, step=8, cells="4", root=False), picture(65)
    side = int(np.sqrt(len(pixels(part))))
    one, two = (described(part, np.ascontiguousarray(array)).values for array in (image, np.rot90(image)))
    own = one.reshape(side, side, 4, 4, 8)
    # Counter-clockwise: what was a column, from the right on, is a row; to the right becomes up, two of eight directions further.
    back = np.rot90(np.rot90(own, axes=(0, 1)), axes=(2, 3))[..., (np.arange(8) - 2) % 8].reshape(-1, 128)
    assert likeness(back, two) > 0.85
    assert likeness(one, two) < 0.8


def test_brightness_and_contrast_do_not_count():
    part, image = DenseSIFT(size=64, step=8, cells="4"), picture(64)
    one, two = described(part, image), described(part, (image // 2 + 60).astype(np.uint8))
    assert likeness(one.values, two.values) > 0.98


@pytest.mark.parametrize("fit", ["squash", "centre", "letterbox"])
def test_the_view_is_a_square(fit):
    assert DenseSIFT(size=96, fit=fit).view == View(96, 96, fit)
    assert (DenseSIFT().moving, DenseSIFT().numbers) == (False, 128)


def test_each_frame_is_described_by_itself():
    part, images = DenseSIFT(size=48, step=8, cells="4"), [picture(48, seed) for seed in range(3)]
    together = list(part(Frame(image, number / 25) for number, image in enumerate(images)))
    for found, image in zip(together, images, strict=True):
        np.testing.assert_array_equal(found.values, described(part, image).values)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("DenseSIFT(size=31)", r"DenseSIFT takes size: whole pixels from 32 to 2048\. Received: size=31"),
        ("DenseSIFT(size=2049)", "Received: size=2049"),
        ("DenseSIFT(size=64.0)", r"Received: size=64\.0"),
        ("DenseSIFT(size=True)", "Received: size=True"),
        ("DenseSIFT(step=0)", r"DenseSIFT takes step: whole pixels from 1 to 512\. Received: step=0"),
        ("DenseSIFT(step='8')", "Received: step='8'"),
        *((f"DenseSIFT(cells={cells!r})", r"DenseSIFT takes cells: .*Received: cells=") for cells in ("", "0", "4+", "4+4", "4+04", "-1")),
        *((f"DenseSIFT(cells={cells!r})", r"DenseSIFT takes cells: .*Received: cells=") for cells in ("65", "4.5", "٤", 4, [4], None)),
        ("DenseSIFT(cells='" + "9" * 5000 + "')", "DenseSIFT takes cells"),
        ("DenseSIFT(fit='stretch')", r"DenseSIFT takes fit='squash', 'centre' or 'letterbox'\. Received: fit='stretch'"),
        ("DenseSIFT(fit=1)", "Received: fit=1"),
        ("DenseSIFT(root=1)", r"DenseSIFT takes root: True or False\. Received: root=1"),
        ("DenseSIFT(size=32, cells='9')", r"at least four cells: 36 pixels\. Received: DenseSIFT\(size=32, cells='9'\)"),
    ],
)
def test_an_argument_that_does_not_fit_is_told(spec, told):
    with pytest.raises(PartError, match=told):
        build("features", spec)


def test_without_opencv_the_way_to_it_is_told(monkeypatch):
    real = builtins.__import__

    def without(name, *given):
        if name == "cv2":
            raise ImportError(name)
        return real(name, *given)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"Dense SIFT needs the package opencv-python-headless, .* pip install 'framevote\[encoders\]'"):
        next(chain(DenseSIFT()([Frame(picture(512), 0.0)])))
