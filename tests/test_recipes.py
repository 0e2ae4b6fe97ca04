"""The recipe that draws what an encoding sees, on a made photo and made videos."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from media import make_video
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
STILL = ["grid", "words", "patches", "codes", "pyramid", "fisher"]

pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def recipe():
    told = importlib.util.spec_from_file_location("representation", ROOT / "recipes" / "representation.py")
    module = importlib.util.module_from_spec(told)
    sys.modules[told.name] = module  # where dataclasses look their own module up
    told.loader.exec_module(module)
    yield module
    del sys.modules[told.name]


def test_a_video_is_drawn_from_grid_to_motion(recipe, tmp_path, monkeypatch, capsys):
    film, folder = make_video(tmp_path / "film.mp4", size="180x240", seconds=1), tmp_path / "seen"
    monkeypatch.setattr(sys, "argv", ["representation.py", str(film), "-o", str(folder)])
    recipe.main()
    assert [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()] == [f"{folder}/{name}.png" for name in [*STILL, "motion"]]
    for name in [*STILL, "motion"]:
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.width >= 640
            assert np.asarray(picture.convert("RGB")).std() > 10


def test_words_are_the_same_where_the_picture_is(recipe, tmp_path):
    tile = Image.radial_gradient("L").resize((64, 64))
    photo = Image.new("L", (256, 256))
    for place in range(16):
        photo.paste(tile, (place % 4 * 64, place // 4 * 64))
    photo.convert("RGB").save(tmp_path / "photo.png")
    seen = recipe.looked_at(tmp_path / "photo.png", None)
    words = seen.words.reshape(31, 31)  # every 8 pixels, so that the tiles repeat every 8 places
    assert (words[:16, :16] == words[8:24, 8:24]).mean() > 0.95
    assert len(np.unique(words)) > 4


@pytest.mark.parametrize(("codec", "told"), [("libx264", "The codec's motion vectors"), ("mjpeg", "Optical flow")])
def test_motion_is_that_of_the_liveliest_moment(recipe, tmp_path, codec, told):
    film = make_video(tmp_path / "film.mkv", "-c:v", codec, size="180x240", seconds=0.6)
    seen = recipe.moved(film, 0.3)
    assert (seen.told, seen.ratio) == (told, pytest.approx(240 / 180))
    assert len(seen.tracks) > 5


@pytest.mark.parametrize(("name", "said"), [("none.mp4", "cannot be read"), ("none.jpg", "cannot be read"), ("film.mkv", "--at lies")])
def test_what_cannot_be_drawn_is_told_in_a_sentence(recipe, tmp_path, monkeypatch, name, said):
    if name == "film.mkv":
        make_video(tmp_path / name, seconds=0.2)
    monkeypatch.setattr(sys, "argv", ["representation.py", str(tmp_path / name), "--at", "-1", "-o", str(tmp_path / "seen")])
    with pytest.raises(SystemExit, match=said):
        recipe.main()


@pytest.mark.parametrize(
    ("given", "told"),
    [(["--at", "9"], "--at lies within the video's 1.00 s"), (["--at", "-1"], "Received: -1.0"), (["-o", "taken"], "a file has that name")],
)
def test_what_cannot_be_drawn_is_told_before_any_picture(recipe, tmp_path, monkeypatch, given, told):
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "film.mp4", size="180x240", seconds=1)
    (tmp_path / "taken").touch()
    monkeypatch.setattr(sys, "argv", ["representation.py", "film.mp4", *given])
    with pytest.raises(SystemExit, match=told):
        recipe.main()
    assert not list(tmp_path.rglob("*.png"))
