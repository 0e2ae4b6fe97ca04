"""Colours are stable, and can be told apart by every kind of eye."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import deltaE_ciede2000, rgb2lab

from framevote.colours import PALETTE, UNKNOWN_COLOUR, label_colour, label_colours, text_colour

# Machado, Oliveira & Fernandes (2009), severity 1.0, on linear RGB.
EYES = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(values):
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encoded(values):
    values = np.clip(values, 0, 1)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("eye", EYES)
def test_any_two_colours_can_be_told_apart(eye):
    colours = np.array([*PALETTE, UNKNOWN_COLOUR]) / 255
    seen = rgb2lab(encoded(linear(colours) @ np.array(EYES[eye]).T))
    apart = deltaE_ciede2000(seen[:, None], seen[None])
    assert apart[~np.eye(len(colours), dtype=bool)].min() > 10


def test_colours_do_not_change_between_releases():
    # A person who knows "tennis" as one colour should find it so in next year's pictures.
    assert [PALETTE.index(label_colour(name)) for name in ("tennis", "baseball", "Straßenbahn")] == [3, 7, 5]
    assert label_colour("unknown") == UNKNOWN_COLOUR


def test_every_colour_is_used():
    assert {label_colour(f"class {number}") for number in range(500)} == set(PALETTE)


@given(st.text())
def test_every_text_has_a_colour(label):
    assert label_colour(label) == label_colour(label)
    assert label_colour(label) in (*PALETTE, UNKNOWN_COLOUR)


@pytest.mark.parametrize("ground", [*PALETTE, UNKNOWN_COLOUR])
def test_text_on_any_colour_is_legible(ground):
    light, dark = sorted((linear(np.array(c) / 255) @ [0.2126, 0.7152, 0.0722] for c in (ground, text_colour(ground))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2.2, AA


@given(st.lists(st.text(max_size=3), max_size=40))
def test_labels_that_meet_have_different_colours(labels: list[str]) -> None:
    given = label_colours(labels)
    assert list(given) == list(dict.fromkeys(labels))
    if len(given) <= len(PALETTE):
        assert len(set(given.values())) == len(given)
    if labels:
        assert given[labels[0]] == label_colour(labels[0])
