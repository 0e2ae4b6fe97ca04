"""Regions of a backbone's last grid against NumPy's means, and that everything flows through the grid that is taken."""

import numpy as np
import pytest

from framevote.backbones import find_backbone
from framevote.backbones.hub import PREFIX
from framevote.errors import PartError


def means(grid: np.ndarray, cells: int) -> np.ndarray:
    """Return the means (N, cells × cells × C) of a grid (N, H, W, C) by NumPy; cells overlap by what is left over."""
    high, wide = (length // cells for length in grid.shape[1:3])
    tall, broad = (length - (cells - 1) * step for length, step in zip(grid.shape[1:3], (high, wide), strict=True))
    rows = [
        grid[:, high * row : high * row + tall, wide * column : wide * column + broad].mean(axis=(1, 2))
        for row in range(cells)
        for column in range(cells)
    ]
    return np.concatenate(rows, axis=1)


def made(size: int):
    """A network whose narrowest last grid is its second convolution; a branch runs past its first."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(1)
    pictures = keras.Input((size, size, 3))
    first = layers.Conv2D(6, 3, strides=2, padding="same", name="first")(pictures)
    beside = layers.Conv2D(2, 1, name="beside")(first)
    wide = layers.Conv2D(8, 1, name="wide")(first)
    joined = layers.Concatenate(name="joined")([beside, wide])
    narrow = layers.Conv2D(5, 1, name="narrow")(joined)
    last = layers.Conv2D(16, 1, activation="relu", name="last")(narrow)
    return keras.Model(pictures, layers.GlobalAveragePooling2D(name="pooled")(last), name="made")


@pytest.mark.parametrize(("size", "cells"), [(12, 1), (12, 2), (12, 3), (14, 3), (14, 2), (14, 7), (10, 3)])
def test_regions_are_the_means_of_the_grid(size, cells):
    import keras

    from framevote.backbones.regions import regional

    model = made(size)
    pictures = np.random.default_rng(0).normal(0, 1, (3, size, size, 3)).astype(np.float32)
    grid = keras.ops.convert_to_numpy(keras.Model(model.input, model.get_layer("narrow").output)(pictures))
    found = keras.ops.convert_to_numpy(regional(model, cells, "made")(pictures))
    assert found.shape == (3, cells * cells * 5)
    np.testing.assert_allclose(found, means(grid, cells), atol=1e-5)


def test_more_regions_than_the_grid_has_are_refused():
    from framevote.backbones.regions import regional

    with pytest.raises(PartError, match=r"The last grid of made is 6×6\. Received: regions=7; give 6 or fewer\."):
        regional(made(12), 7, "made")


def test_a_network_without_a_grid_is_refused():
    import keras

    from framevote.backbones.regions import regional

    flat = keras.Input((8,))
    with pytest.raises(PartError, match=r"flat has no grid of activations that could be pooled by region\. Give the head regions=0\."):
        regional(keras.Model(flat, keras.layers.Dense(3)(flat)), 2, "flat")


def test_lite0_by_region_sees_its_bottleneck():
    model = find_backbone("efficientnet_lite0(weights=None, size=96, regions=3)")()
    assert model.output_shape == (None, 9 * 192)


@pytest.mark.parametrize("spec", ["ResNet50(size=64, weights=None)", "MobileNetV2(size=96, weights=None)"])
def test_everything_flows_through_the_grid(spec):
    import keras

    from framevote.backbones.regions import _grid

    model = find_backbone(spec)()
    grid = _grid(model, spec)
    behind = keras.Model(grid, model.output)  # Keras refuses it where something flows past the grid
    before = keras.Model(model.input, grid)
    pictures = np.random.default_rng(0).integers(0, 256, (2, *model.input_shape[1:]), dtype=np.uint8)
    found = keras.ops.convert_to_numpy(behind(before(pictures)))
    np.testing.assert_allclose(found, keras.ops.convert_to_numpy(model(pictures)), atol=1e-4, rtol=1e-4)
    assert grid.shape[1] > 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("efficientnet_lite0(regions=3)", "efficientnet_lite0(regions=3)"),
        ("efficientnet_lite0(size=128, regions=2)", "efficientnet_lite0(size=128, regions=2)"),
        ("efficientnet_lite0(regions=2, size=128)", "efficientnet_lite0(size=128, regions=2)"),
        ("efficientnet_lite0(regions=0)", "efficientnet_lite0"),
        ("MobileNetV2(weights='regions.h5')", "MobileNetV2(weights='regions.h5')"),
        ("MobileNetV2(96, weights='regions.h5', regions=1)", None),
    ],
)
def test_a_backbone_by_region_is_its_text(text, shown):
    backbone = find_backbone(text)
    assert shown is None or repr(backbone) == shown
    assert find_backbone(repr(backbone)) == backbone


def test_regions_have_a_fingerprint_of_their_own():
    texts = ["efficientnet_lite0", "efficientnet_lite0(regions=2)", "efficientnet_lite0(regions=3)"]
    assert len({find_backbone(text).fingerprint for text in texts}) == 3


@pytest.mark.parametrize("cells", ["-1", "65", "2.0", "True", "'3'", "None"])
def test_cells_that_are_none_are_refused(cells):
    with pytest.raises(PartError, match=r"efficientnet_lite0 takes regions: cells of a side, from 0 to 64\. Received: regions="):
        find_backbone(f"efficientnet_lite0(regions={cells})")


def test_what_cannot_be_pooled_is_refused():
    by_three = find_backbone("efficientnet_lite0(regions=3)")
    assert by_three.by_region(3) is by_three
    with pytest.raises(PartError, match=r"cannot be pooled by region\. Expected a backbone as it is; give the head regions=0"):
        by_three.by_region(2)


def test_presets_cannot_be_pooled():
    from dataclasses import replace

    preset = replace(find_backbone("efficientnet_lite0"), text=f"{PREFIX}mobilenet_v3_small_100_imagenet")
    with pytest.raises(PartError, match=r"keras_hub:mobilenet_v3_small_100_imagenet cannot be pooled by region"):
        preset.by_region(2)
