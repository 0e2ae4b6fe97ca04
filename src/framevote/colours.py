"""A colour for every label, the same in the overlay, the contact sheet and the terminal."""

from collections.abc import Iterable
from hashlib import blake2s

from framevote.records import UNKNOWN

Colour = tuple[int, int, int]

# The seven chromatic colours of Okabe & Ito, "Color Universal Design" (2008), then nine more, each picked as the one farthest
# from all before it by its nearest CIEDE2000 distance in four eyes: normal, and protan, deutan and tritan as simulated by
# Machado, Oliveira & Fernandes (2009). Any two are at least 10 apart in each eye, about as far as Okabe & Ito's own (10.9).
PALETTE: tuple[Colour, ...] = (
    (0xE6, 0x9F, 0x00),
    (0x56, 0xB4, 0xE9),
    (0x00, 0x9E, 0x73),
    (0xF0, 0xE4, 0x42),
    (0x00, 0x72, 0xB2),
    (0xD5, 0x5E, 0x00),
    (0xCC, 0x79, 0xA7),
    (0x77, 0x44, 0x33),
    (0xBB, 0xDD, 0xAA),
    (0x44, 0xEE, 0xFF),
    (0xBB, 0x11, 0x88),
    (0x88, 0x77, 0xFF),
    (0x99, 0x66, 0x44),
    (0x99, 0x33, 0x00),
    (0x88, 0xBB, 0x77),
    (0xFF, 0xAA, 0xCC),
)
UNKNOWN_COLOUR: Colour = (0x58, 0x58, 0x58)


def label_colour(label: str) -> Colour:
    """Return the (red, green, blue) of a label, 0-255: by its name alone, so that it is the same in every video.

    There are more labels than colours that can be told apart, so two labels may share one; `label_colours` keeps them apart
    where they meet.
    """
    if label == UNKNOWN:
        return UNKNOWN_COLOUR
    digest = blake2s(label.encode("utf-8", "surrogatepass")).digest()  # Python's own hash differs from run to run
    return PALETTE[digest[3] % len(PALETTE)]


def label_colours(labels: Iterable[str]) -> dict[str, Colour]:
    """Return the colours of labels that are seen together, in order of their first appearance.

    Each has its own (`label_colour`); where that is taken, the next free one of the palette. Beyond sixteen labels, colours repeat.
    """
    given: dict[str, Colour] = {}
    for label in labels:
        if label not in given:
            own = label_colour(label)
            at = PALETTE.index(own) if own in PALETTE else 0
            free = (colour for colour in (*PALETTE[at:], *PALETTE[:at]) if colour not in given.values())
            given[label] = own if own == UNKNOWN_COLOUR else next(free, own)
    return given


def text_colour(ground: Colour) -> Colour:
    """Return black or white, whichever is easier to read on the ground (contrast ratio of WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (channel / 255 for channel in ground)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else (255, 255, 255)
