"""Embedding items: the same as one by one, remembered by content, and nothing in the cache can break or harm it."""

import gc
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_items import COLOURS, film, photo
from made_models import expected, model_file
from PIL import Image

from framevote import features
from framevote.classifier import cache_folder, load_model
from framevote.datasets import Item, frames_of
from framevote.errors import MissingExtra
from framevote.features import Rows, embed_items
from framevote.features.store import Store


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return model_file(tmp_path_factory.mktemp("models") / "colours.fvm")


@pytest.fixture(scope="module")
def model(path):
    return load_model(path, precision="f32")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FRAMEVOTE_CACHE", str(tmp_path / "cache"))
    return cache_folder() / "embeddings"


@pytest.fixture
def items(tmp_path) -> list[Item]:
    """Photos, a clip, pieces of a film, and photos again."""
    (tmp_path / "data").mkdir()
    photos = [photo(tmp_path / "data", shown) for shown in [*COLOURS] * 3]
    video = film(tmp_path / "film.mkv", ("red", 1), ("blue", 1))
    clips = [Item(video, ("red",), "video"), Item(video, ("red",), "video", end=1.0), Item(video, ("blue",), "video", start=1.0)]
    return [*photos[:5], *clips, *photos[5:]]


def frames_in(rows: Rows) -> list[int]:
    return np.bincount(rows.owners).tolist()


def test_items_in_one_stream_are_what_each_is_alone(items, model):
    told: list[tuple[int, int]] = []
    seen = embed_items(items, model, 4, lambda done, count: told.append((done, count)))
    alone = [model.embed(frames_of(item, model.view, 4)).values for item in items]
    np.testing.assert_allclose(seen.rows.values, np.concatenate(alone), rtol=1e-5)
    assert frames_in(seen.rows) == [len(each) for each in alone] == [1] * 5 + [4] * 3 + [1] * 7
    assert (seen.kept, seen.problems, seen.computed) == (tuple(range(15)), (), 15)
    assert told == [(number, 15) for number in range(1, 16)]
    wanted = expected(np.stack([frame.image for item in items for frame in frames_of(item, model.view, 4)]))[1]
    np.testing.assert_allclose(seen.rows.values, wanted, rtol=1e-5)


def test_what_was_embedded_is_remembered_bit_by_bit(items, model, path):
    first, told = embed_items(items, model, 4), []
    again = embed_items(items, load_model(path, precision="f32"), 4, lambda *each: told.append(each))
    np.testing.assert_array_equal(again.rows.values, first.rows.values)
    np.testing.assert_array_equal(again.rows.owners, first.rows.owners)
    assert (first.computed, again.computed, len(told)) == (15, 0, 15)
    assert embed_items(items, model, 4, keep=False).computed == 15


def test_only_what_changed_is_computed(items, model, tmp_path):
    embed_items(items, model, 4)
    items[0].path.rename(tmp_path / "elsewhere.png")
    moved = Item(tmp_path / "elsewhere.png", ("red",))
    assert embed_items([moved, *items[1:]], model, 4).computed == 0
    Image.new("RGB", (9, 9), "white").save(items[1].path)
    changed = embed_items([moved, *items[1:]], model, 4)
    assert changed.computed == 1
    np.testing.assert_allclose(changed.rows.values[1], 255, rtol=1e-5)
    assert embed_items(items[1:], model, 3).computed == 3  # the videos are looked at in other frames
    piece = Item(items[5].path, ("red",), "video", start=0.5, end=1.5)
    assert embed_items([piece], model, 4).computed == 1


def test_another_model_has_its_own(items, model, tmp_path):
    embed_items(items, model)
    other = load_model(model_file(tmp_path / "other.fvm", name="other"), precision="f32")
    assert embed_items(items, other).computed == 15


def test_a_video_of_many_pieces_is_read_once_to_know_it(items, model, monkeypatch):
    read: list[Path] = []
    digest = features.embedding.digest_of
    monkeypatch.setattr(features.embedding, "digest_of", lambda path: read.append(path) or digest(path))
    embed_items(items, model)
    assert len(read) == 13  # twelve photos and a video


@pytest.mark.parametrize("at", [0, 7, 14])
def test_what_cannot_be_read_costs_only_itself(items, model, at):
    alone = [model.embed(frames_of(item, model.view, 4)).values for item in items]
    items[at].path.rename(items[at].path.with_suffix(".away")) if at != 7 else None
    broken = items[at].path if at != 7 else items[at].path.with_name("broken.mkv")
    broken.write_text("no picture")
    items[at] = Item(broken, items[at].labels, items[at].kind)
    gone = Item(broken.with_name("gone.png"), ("red",))
    told: list[int] = []
    seen = embed_items([*items, gone], model, 4, lambda done, _: told.append(done))
    assert seen.kept == tuple(number for number in range(15) if number != at)
    assert [problem.where for problem in seen.problems] == [str(broken), str(gone.path)]
    assert "cannot be read" in seen.problems[0].reason or "is no" in seen.problems[0].reason
    np.testing.assert_allclose(seen.rows.values, np.concatenate([alone[number] for number in seen.kept]), rtol=1e-5)
    assert told == list(range(1, 17))


def test_a_video_without_any_picture_is_a_problem(items, model, monkeypatch):
    monkeypatch.setattr(features.embedding, "frames_of", lambda item, *_: iter(()))
    seen = embed_items(items[:2], model)
    assert (seen.kept, seen.rows.items, seen.rows.values.shape) == ((), 0, (0, 3))
    assert "has no picture that can be read" in seen.problems[1].reason


def test_nothing_to_embed_gives_nothing(model):
    assert embed_items([], model).rows.values.shape == (0, 3)


def test_rows_do_not_keep_the_blocks_that_they_came_in(items, model):
    seen = list(features.embedding._Told(items, model, 4, None).embed(range(15)))
    assert all(values.base is None for _, values in seen)


# What may lie in the cache.


def spoil(cache: Path, value: object) -> None:
    """Put another value in the place of every remembered one."""
    import diskcache

    with diskcache.Cache(cache) as store:
        for key in list(store):
            store[key] = value


class Trap:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("value", [b"12345", b"", bytes(12 * 100), "text", 7, 1.5, None, bytes(11) * 5000, "x" * 50_000])
def test_a_remembered_value_that_cannot_be_one_is_computed_anew(items, model, cache, value):
    first = embed_items(items[:3], model)
    spoil(cache, value)
    again = embed_items(items[:3], model)
    assert again.computed == 3
    np.testing.assert_array_equal(again.rows.values, first.rows.values)
    assert embed_items(items[:3], model).computed == 0


@pytest.mark.parametrize("size", [100, 40_000, 2_000_000])  # from 32 kB on, a value is a file of its own
def test_the_store_gives_back_what_it_was_given(tmp_path, size):
    value = np.random.default_rng(size).bytes(size)
    for work in (lambda store: store.set("a", value), lambda store: None):
        with closing(Store(tmp_path / "kept")) as store:
            work(store)
            assert store.get("a") == value
            assert store.get("b") is None


def test_a_pickle_in_the_cache_is_not_opened(items, model, cache, tmp_path):
    embed_items(items[:3], model)
    spoil(cache, Trap(tmp_path / "sprung"))
    assert embed_items(items[:3], model).computed == 3
    assert not (tmp_path / "sprung").exists()
    pickle.loads(pickle.dumps(Trap(tmp_path / "sprung")))
    assert (tmp_path / "sprung").exists()  # the trap works


@pytest.mark.parametrize("damage", ["garbage", "cut", "no table", "a folder"])
def test_a_damaged_index_costs_only_time(items, model, cache, damage):
    first = embed_items(items[:3], model)
    index = cache / "cache.db"
    for beside in cache.glob("cache.db-*"):
        beside.unlink()
    if damage == "no table":
        with sqlite3.connect(index) as base:
            base.execute("DROP TABLE Cache")
        base.close()
    elif damage == "a folder":
        index.unlink()
        index.mkdir()
    else:
        index.write_bytes(b"garbage" * 1000 if damage == "garbage" else index.read_bytes()[:5000])
    again = embed_items(items[:3], model)
    np.testing.assert_array_equal(again.rows.values, first.rows.values)


def test_a_closed_place_costs_only_time(items, model, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FRAMEVOTE_CACHE", str(tmp_path / "file"))
    assert embed_items(items[:3], model).computed == 3


def test_a_full_disk_costs_only_time(items, model, tmp_path, monkeypatch):
    (tmp_path / "small").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", tmp_path / "small"]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    monkeypatch.setenv("FRAMEVOTE_CACHE", str(tmp_path / "small"))
    try:
        assert embed_items(items[:3], model).computed == 3
    finally:
        gc.collect()  # SQLite's file, of an index that could not be made, is open until then
        subprocess.run(["umount", tmp_path / "small"], check=True)


def test_without_diskcache_the_line_that_installs_it_is_told(items, model, monkeypatch):
    monkeypatch.setattr("framevote.features.embedding.importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"diskcache.*pip install 'framevote\[train\]'"):
        embed_items(items, model)
    assert embed_items(items[:1], model, keep=False).computed == 1


PROGRAM = """
import sys, time
from pathlib import Path
from framevote.classifier import load_model
from framevote.datasets import Item
from framevote.features import embed_items
items = [Item(path, ("a",)) for path in sorted(Path(sys.argv[2]).glob("*.png"))]
def done(count, of):
    print(count, flush=True)
    time.sleep(float(sys.argv[3]))
print("computed", embed_items(items, load_model(sys.argv[1], precision="f32"), done=done).computed)
"""


def program(path: Path, folder: Path, pause: float = 0.0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(path), str(folder), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def many(tmp_path) -> Path:
    """120 photos, each another."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(120):
        Image.new("RGB", (8, 8), (number, 50, 200 - number)).save(folder / f"{number}.png")
    return folder


def test_killed_halfway_it_goes_on_there(many, path, model):
    with program(path, many, 0.02) as process:
        while process.stdout and int(process.stdout.readline()) < 40:
            pass
        process.send_signal(signal.SIGKILL)
    again = embed_items([Item(file, ("a",)) for file in sorted(many.glob("*.png"))], model)
    assert 0 < again.computed <= 81
    assert again.rows.items == 120


def test_two_processes_share_what_they_remember(many, path, model):
    both = [program(path, many) for _ in range(2)]
    said = [process.communicate(timeout=60)[0].splitlines()[-1] for process in both]
    assert all(line.startswith("computed ") for line in said)
    items = [Item(file, ("a",)) for file in sorted(many.glob("*.png"))]
    seen = embed_items(items, model)
    assert seen.computed == 0
    np.testing.assert_allclose(seen.rows.values, embed_items(items, model, keep=False).rows.values, rtol=1e-6)


# Rows.


@given(counts=st.lists(st.integers(1, 5), min_size=1, max_size=20), seed=st.integers(0, 99))
@settings(deadline=None)
def test_rows_know_their_items(counts, seed):
    values = np.random.default_rng(seed).normal(0, 1, (sum(counts), 3)).astype(np.float32)
    rows = Rows(values, np.repeat(np.arange(len(counts)), counts), len(counts))
    parts = np.split(values, np.cumsum(counts)[:-1])
    np.testing.assert_allclose(rows.means(values), [part.mean(axis=0, dtype=np.float64) for part in parts], atol=1e-6)
    np.testing.assert_allclose(rows.means(values[:, 0]), [part[:, 0].mean(dtype=np.float64) for part in parts], atol=1e-6)
    np.testing.assert_allclose([part.sum() for part in np.split(rows.weights, np.cumsum(counts)[:-1])], 1)
    chosen = np.arange(0, len(counts), 2)
    np.testing.assert_array_equal(values[rows.of(chosen)], np.concatenate([parts[item] for item in chosen]))
    assert repr(rows) == f"Rows({len(values)} of {len(counts)} items × 3 numbers)"
    with pytest.raises(ValueError, match="read-only"):
        rows.values[0] = 1


@pytest.mark.parametrize(
    ("shape", "owners", "items", "told"),
    [
        ((3,), [0, 1, 2], 3, r"values \(R, D\) or \(R, T, D\)"),
        ((3, 2), [0, 1], 2, r"values \(R, D\) or \(R, T, D\) and owners"),
        ((3, 2, 2, 2), [0, 1, 2], 3, r"values \(R, D\) or \(R, T, D\)"),
        ((3, 2), [0, 0, 2], 3, "rows for each of 3 items"),
        ((3, 2), [0, 1, 2], 2, "rows for each of 2 items"),
        ((3, 2), [0, 1, 1], 3, "rows for each of 3 items"),
        ((3, 2), [1, 0, 2], 3, "owners in order"),
    ],
)
def test_rows_check_themselves(shape, owners, items, told):
    with pytest.raises(ValueError, match=f"Rows expects {told}"):
        Rows(np.zeros(shape), np.array(owners), items)
