"""Motion features against fields that are made by hand: which way they point, where nothing differs, and what is dropped."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from test_motion import panning, write

from framevote.descriptors import Descriptors
from framevote.descriptors.flow import DISFlow
from framevote.descriptors.tracks import CHANNELS, DIRECTIONS, followed, grid, histograms
from framevote.descriptors.vectors import MotionVectors
from framevote.errors import PartError, UsageError
from framevote.parts import build, names
from framevote.records import Frame, View
from framevote.video import open_video

BOTH = [DISFlow(size=64, length=2, moments=1), MotionVectors(step=1, length=2, moments=1)]


def film(*fields: NDArray[np.float32]) -> list[Frame]:
    return [
        Frame(np.zeros((*field.shape[:2], 3), np.uint8), n / 25, n, 0.04, motion=field.astype(np.float32)) for n, field in enumerate(fields)
    ]


def uniform(part: DISFlow | MotionVectors, x: float, y: float, frames: int) -> list[Frame]:
    view = part.view
    return film(*[np.broadcast_to(np.float32([x, y]), (view.height, view.width, 2))] * frames)


def split(descriptors: Descriptors, cells: int = 2, moments: int = 1) -> tuple[NDArray[np.float32], ...]:
    """HOF (N, moments, cells, cells, 9), MBHx and MBHy (N, moments, cells, cells, 8)."""
    around = moments * cells * cells
    hof, x, y = np.split(descriptors.values, [around * (DIRECTIONS + 1), around * (2 * DIRECTIONS + 1)], axis=1)
    return tuple(part.reshape(len(part), moments, cells, cells, -1) for part in (hof, x, y))


@pytest.mark.parametrize("part", BOTH, ids=repr)
@pytest.mark.parametrize(("move", "bin_"), [((1, 0), 0), ((1, 1), 1), ((0, 1), 2), ((-1, 0), 4), ((0, -1), 6), ((1, -1), 7)])
def test_flow_peaks_in_the_direction_of_the_pan(part: DISFlow | MotionVectors, move: tuple[int, int], bin_: int):
    last = list(part(uniform(part, *move, 6)))[-1]
    hof, x, y = split(last)
    assert (hof.argmax(axis=-1) == bin_).all()
    np.testing.assert_allclose((hof**2).sum(axis=(1, 2, 3, 4)), 1, atol=1e-5)
    assert not x.any()
    assert not y.any()


def test_boundaries_are_seen_at_the_edge_of_what_moves_and_nowhere_else():
    part = MotionVectors(size=64, length=2, step=1, moments=1, cell=2, still=0)
    field = np.zeros((64, 64, 2))
    field[20:44, 20:44] = 1, 0
    last = list(part(film(*[field] * 3)))[-1]
    _, x, y = split(last)
    assert not y.any()  # nothing moves up or down
    middle = (np.abs(last.places - 0.5) < 6 / 64).all(axis=1)
    assert middle.sum() > 50
    assert not x[middle].any()
    places = last.places * 64
    edge = (np.abs(places[:, 0] - 20) < 1.5) & (np.abs(places[:, 1] - 32) < 6)
    assert edge.sum() > 10
    assert (x[edge].sum(axis=(1, 2, 3)).argmax(axis=1) == 0).all()  # faster to the right of the left edge


def test_histograms_against_plain_loops():
    field = np.random.default_rng(1).normal(size=(9, 14, 2)).astype(np.float32)
    found = histograms(field, 4, 0.5)
    assert found.shape == (3, 4, CHANNELS)
    expected = np.zeros((3, 4, CHANNELS))
    for y, x in itertools.product(range(9), range(14)):
        cell = expected[y // 4, x // 4]
        if np.hypot(*field[y, x]) < 0.5:
            cell[DIRECTIONS] += 1
        else:
            share(cell[:DIRECTIONS], *field[y, x])
        for axis in (0, 1):
            across = (field[y, x + 1, axis] - field[y, x - 1, axis]) / 2 if 0 < x < 13 else 0
            down = (field[y + 1, x, axis] - field[y - 1, x, axis]) / 2 if 0 < y < 8 else 0
            share(cell[9 + 8 * axis : 17 + 8 * axis], across, down)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def share(bins: NDArray[np.float64], x: float, y: float) -> None:
    angle = np.arctan2(y, x) / (2 * np.pi) * len(bins)
    below = int(np.floor(angle))
    bins[below % len(bins)] += (1 - (angle - below)) * np.hypot(x, y)
    bins[(below + 1) % len(bins)] += (angle - below) * np.hypot(x, y)


def test_tracks_follow_what_moves():
    field = np.zeros((40, 40, 2), np.float32)
    field[..., 0], field[..., 1] = 2, -1
    paths = followed([field] * 3, np.float32([[20, 20], [1, 20], [20, 39]]))
    np.testing.assert_array_equal(paths[:, 0], [[14, 23], [16, 22], [18, 21], [20, 20]])
    part = MotionVectors(size=40, length=3, step=3)
    last = list(part(film(*[field] * 4)))[-1]
    # Places of the grid whose tracks began within the picture: x from 6, y up to 36.
    assert len(last) == 34 * 37
    assert last.places.min() >= 0
    assert last.places.max() <= 1
    ends = grid(40, 40, 1)
    ends = ends[(ends[:, 0] >= 6) & (ends[:, 1] < 37)]
    np.testing.assert_allclose(last.places, (ends - [2, -1]) / 40, atol=1e-6)  # two of four places: the middle


@pytest.mark.parametrize(("height", "width", "spacing"), [(32, 32, 1), (10, 17, 4), (3, 3, 8), (160, 160, 8)])
def test_the_grid_lies_in_the_middle(height: int, width: int, spacing: int):
    places = grid(height, width, spacing)
    assert len(places) == -(-height // spacing) * -(-width // spacing)
    np.testing.assert_allclose(places.min(axis=0) + places.max(axis=0), [width, height])


def test_when_tracks_end():
    def counted(part: MotionVectors, frames: int) -> list[int]:
        return [len(found) > 0 for found in part(uniform(part, 0.2, 0, frames))]

    part = MotionVectors(length=3, step=2)
    assert counted(part, 8) == [False, False, False, True, False, True, False, True]
    assert counted(part, 2) == [False, True]  # shorter than a track: it ends with the film
    assert counted(part, 3) == [False, False, True]
    assert counted(part, 1) == [False]
    assert counted(part, 0) == []


def test_moments_of_a_track_are_told_apart():
    part = MotionVectors(length=4, step=4, moments=2, cells=1, cell=2, spacing=4)
    right, down = (np.broadcast_to(np.float32(way), (32, 32, 2)) for way in ([1, 0], [0, 1]))
    hof, _, _ = split(list(part(film(right, right, right, down, down)))[-1], cells=1, moments=2)
    assert (hof[:, 0, 0, 0].argmax(axis=1) == 0).all()
    assert (hof[:, 1, 0, 0].argmax(axis=1) == 2).all()
    short, _, _ = split(list(part(film(right, down)))[-1], cells=1, moments=2)  # a single field fills both
    assert (short.argmax(axis=-1) == 2).all()


def test_what_hardly_moves_is_kept_or_dropped():
    still = {keep: list(MotionVectors(length=3, step=1, still=keep)(uniform(MotionVectors(), 0.01, 0, 4)))[-1] for keep in (0, 0.1)}
    assert len(still[0]) > 0
    assert len(still[0.1]) == 0
    assert still[0.1].values.shape == (0, MotionVectors().numbers)


@pytest.mark.parametrize("part", [DISFlow(size=64, still=0), MotionVectors(still=0, step=1)], ids=repr)
def test_from_films(tmp_path, part: DISFlow | MotionVectors):
    moving = list(part(open_video(write(tmp_path / "pan.mp4", panning(8), bf="0"), part.view)))
    assert len(moving) == 8
    assert moving[-1].values.shape[1] == part.numbers
    hof = split(moving[-1], part.cells, part.moments)[0]
    middle = (np.abs(moving[-1].places - 0.5) < 0.1).all(axis=1)
    # Right and a little up, at -27 degrees: shared by the bins of 0 and of -45.
    assert set(hof[middle].sum(axis=(1, 2, 3))[:, :DIRECTIONS].argmax(axis=1)) <= {0, 7}
    grey = list(part(open_video(write(tmp_path / "grey.mp4", [np.full((64, 96, 3), 90, np.uint8)] * 5), part.view)))
    assert all(np.isfinite(found.values).all() for found in grey)
    (one,) = part(open_video(write(tmp_path / "one.mp4", panning(1)), part.view))
    assert len(one) == 0


def test_parts_are_registered_and_moving():
    assert {"DISFlow", "MotionVectors"} <= set(names("features"))
    for part in (DISFlow(size=64), MotionVectors(length=4)):
        assert build("features", repr(part)) == part
        assert part.moving
    assert MotionVectors(size=24).view == View(24, 24, "letterbox", motion="vectors")
    assert DISFlow(size=96).view == View(96, 96, "letterbox", motion="flow")
    assert DISFlow(cells=3, moments=2).numbers == 3 * 3 * 2 * 25


@pytest.mark.parametrize("kind", [DISFlow, MotionVectors])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        *itertools.product(("size", "spacing", "length", "step", "cells", "cell", "moments"), (0, -1, 2.0, "3", True, None, 10**6)),
        *(("still", value) for value in (-0.1, float("nan"), float("inf"), "1", None, True)),
    ],
)
def test_bad_arguments(kind: type[DISFlow | MotionVectors], key: str, value: object):
    with pytest.raises(PartError, match=rf"{kind.__name__} takes {key}: .* from .* to .*Received: {key}="):
        kind(**{key: value})


def test_frames_without_motion_are_refused():
    with pytest.raises(UsageError, match="need frames with motion"):
        list(MotionVectors()([Frame(np.zeros((32, 32, 3), np.uint8), 0.0)]))
