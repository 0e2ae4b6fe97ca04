"""Pooling is the same however moments come, pyramids are pools of their cells, and normalisation is what its name says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framevote.descriptors import Descriptors
from framevote.encoders import POOLINGS, BagOfWords, Encoding, FisherVector, Plain, SoftAssignment, normalised, pyramid_of
from framevote.encoders.pooling import parts_of
from framevote.encoders.sliding import _present
from framevote.errors import PartError

PYRAMIDS = ["1x1", "1x1+2x2+4x4", "1x3", "3x1", "2x2+3x3", "1x1x1+1x1x2", "2x1x3+1x1"]
CODEBOOK = np.random.default_rng(5).normal(0, 1, (6, 4)).astype(np.float32)


def descriptors(rows, seed=0):
    random = np.random.default_rng(seed)
    return Descriptors(random.normal(0, 1, (rows, 4)), random.random((rows, 2)))


def encoding(encoder):
    coder = encoder.coder({"codebook": CODEBOOK, "scale": np.array([0.7])})
    return Encoding(encoder, Plain().fit(CODEBOOK), coder, 4)


def vector(encoder, moments):
    fitted = encoding(encoder)
    return fitted.window([fitted.moment(moment) for moment in moments])


def by_cells(pyramid, moments, codes, pooling):
    """Pool each cell of each level by itself: descriptors that lie in it, of the moments that belong to it."""
    found = []
    for level in pyramid.split("+"):
        columns, rows, parts = [*map(int, level.split("x")), 1][:3]
        for part in range(parts):
            held = moments[len(moments) * part // parts : len(moments) * (part + 1) // parts]
            values, places = (np.concatenate([getattr(moment, name) for moment in held]) for name in ("values", "places"))
            column = np.clip(np.floor(places[:, 0].astype(float) * columns), 0, columns - 1)
            row = np.clip(np.floor(places[:, 1].astype(float) * rows), 0, rows - 1)
            for cell in range(rows * columns):
                own = codes(values[(row == cell // columns) & (column == cell % columns)])
                gathered = own.max(axis=0, initial=0) if pooling == "max" else own.sum(axis=0)
                found.append(gathered / max(len(own), 1) if pooling == "average" else gathered)
    return np.concatenate(found)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("pyramid", PYRAMIDS)
def test_a_pyramid_is_pooled_cell_by_cell(pyramid, pooling):
    encoder = SoftAssignment(words=6, nearest=3, pooling=pooling, normalisation="none", pyramid=pyramid)
    moments = [descriptors(rows, seed) for seed, rows in enumerate((40, 3, 60, 0, 25, 30))]
    codes = encoding(encoder).coder.codes
    np.testing.assert_allclose(vector(encoder, moments), by_cells(pyramid, moments, codes, pooling), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("pyramid", [pyramid for pyramid in PYRAMIDS if pyramid.count("x") < 2 * len(pyramid.split("+"))])
def test_moments_joined_are_all_descriptors_at_once(pyramid, pooling):
    if any(len(level.split("x")) == 3 for level in pyramid.split("+")):
        pytest.skip("time is parted")
    encoder = SoftAssignment(words=6, pooling=pooling, pyramid=pyramid, normalisation="power+l2")
    moments = [descriptors(rows, seed) for seed, rows in enumerate((10, 0, 300))]
    whole = Descriptors(*(np.concatenate([getattr(moment, name) for moment in moments]) for name in ("values", "places")))
    np.testing.assert_allclose(vector(encoder, moments), vector(encoder, [whole]), atol=1e-5)


def test_a_single_moment_stands_for_every_part_of_the_time():
    one = vector(BagOfWords(words=6, pyramid="1x1x3", normalisation="none"), [descriptors(20)]).reshape(3, 6)
    assert (one == one[0]).all()
    assert one.sum() == 60


@pytest.mark.parametrize(
    ("place", "cell"),
    [
        ((0, 0), 0),
        ((1, 0), 2),
        ((0, 1), 3),
        ((1, 1), 5),
        ((-0.5, 2), 3),
        ((7, -9), 2),
        ((1e30, 1e30), 5),
        ((0.4, 0.49), 1),
        ((0.7, 0.5), 5),
    ],
)
def test_places_at_the_edge_and_beyond_it_are_in_the_nearest_cell(place, cell):
    assert pyramid_of("3x2").of(np.array([place], np.float32)).tolist() == [cell]


@pytest.mark.parametrize("pyramid", PYRAMIDS)
def test_each_fine_cell_is_in_one_cell_of_each_level(pyramid):
    found = pyramid_of(pyramid)
    assert [members.sum(axis=0).tolist() for members in found.members] == [[1] * found.fine] * len(found.levels)
    assert all((members.sum(axis=1) == found.fine // len(members)).all() for members in found.members)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 12))
def test_parts_cover_all_moments_in_order(count, parts):
    slices = parts_of(count, parts)
    held = [list(range(count))[part] for part in slices]
    assert len(held) == parts
    assert all(held)
    assert sorted({moment for part in held for moment in part}) == list(range(count))
    if count >= parts:
        assert [moment for part in held for moment in part] == list(range(count))
        assert max(map(len, held)) - min(map(len, held)) <= 1


# Normalisation


def plain(vectors, steps, block):
    found = vectors.astype(np.float64)
    for step in steps.split("+"):
        if step == "power":
            found = np.sign(found) * np.abs(found) ** 0.5
        elif step == "intra":
            for row in found:
                size = block if block > 1 else len(row)
                for at in range(0, len(row), size):
                    length = np.sqrt((row[at : at + size] ** 2).sum())
                    row[at : at + size] /= length or 1
        elif step != "none":
            total = np.abs(found).sum() if step == "l1" else np.sqrt((found**2).sum())
            found = found / (total or 1)
    return found


@pytest.mark.parametrize("steps", ["none", "power", "intra", "l1", "l2", "power+l2", "power+intra+l2", "intra+power+l1", "l2+power"])
@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
def test_normalisation_is_what_numpy_says(steps, block, scale):
    vectors = np.random.default_rng(0).normal(0, scale, (3, 12)).astype(np.float32)
    vectors[1], vectors[0, 4:8], vectors[2, 3] = 0, 0, 0
    given = vectors.copy()
    found = normalised(vectors, steps, block)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain(given, steps, block), rtol=1e-4)
    assert not normalised(np.zeros((3, 12), np.float32), steps, block).any()
    np.testing.assert_array_equal(vectors, given)


@pytest.mark.parametrize(
    "text", ["0x1", "1", "", "99x99", "1x1+1x1", "1x1+", "x", "1x1x1x1", "-1x1", "1.5x1", "1 x 1", "١x1", None, 1, [1], ["1x1"], "16x17"]
)
def test_what_is_no_pyramid_is_told(text):
    with pytest.raises(PartError, match=r"BagOfWords takes (a )?pyramid.*Received: pyramid="):
        BagOfWords(pyramid=text)


def test_a_fisher_vectors_words_are_brought_to_length_one_apart():
    encoder = FisherVector(words=2, normalisation="intra")
    arrays = {"weights": np.full(2, 0.5), "means": CODEBOOK[:2], "deviations": np.ones((2, 4), np.float32)}
    fitted = Encoding(encoder, Plain().fit(CODEBOOK), encoder.coder({name: array.astype(np.float32) for name, array in arrays.items()}), 4)
    found = fitted.window([fitted.moment(descriptors(30))]).reshape(2, 8)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("pyramid", ["1x1", "1x1x1+1x1x3+1x1x4", "1x1x5+2x1x2"])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("pooling", ["sum", "average", "max"])
def test_a_window_is_the_same_by_its_descriptors_and_by_its_moments(pyramid, count, pooling):
    random = np.random.default_rng(count)
    several = [Descriptors(random.normal(size=(n, 4)), random.uniform(size=(n, 2))) for n in random.integers(0, 6, count)]
    part = BagOfWords(words=6, pooling=pooling, normalisation="none", pyramid=pyramid)
    np.testing.assert_allclose(encoding(part).vector(several), vector(part, several), atol=1e-6)


def test_at_a_videos_ends_the_steps_that_there_are_keep_their_times():
    assert _present([0, 0, 0, 0, 0, 1, 2]) == [(0, 4), (1, 5), (2, 6)]
    assert _present([3, 4, 5, 5, 5]) == [(3, 0), (4, 1), (5, 2)]
    assert _present([7, 7, 7]) == [(7, 2)]
    assert _present([1, 2, 3]) == [(1, 0), (2, 1), (3, 2)]
