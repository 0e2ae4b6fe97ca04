"""Where words stand beside the marks of a plot, so that they cover nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]
Box = tuple[float, float, float, float]

_SIGN, _LINE = 0.63, 1.15
"""Width of a sign and height of a line, in font sizes, about."""

_MARK, _GAP = 4.0, 5.5
"""Points: half the size of a mark, and how far from its middle words begin."""


@dataclass(frozen=True)
class Words:
    """What is written beside a mark at (x, y), in the units of the axes, and in which colour."""

    x: float
    y: float
    text: str
    colour: str


def placed(marks: Sequence[Point], texts: Sequence[str], size: float, inside: Box) -> list[Point | None]:
    """Return how far from its mark each text's lower left corner stands; None where it finds no place.

    One after another takes the first of twelve places around its mark that is free of all marks and of the words before.

    Args:
        marks: where the middles of the marks are, in points.
        texts: the words; empty ones take no place.
        size: of the font, in points.
        inside: left, bottom, right and top, in points, of where words may stand.
    """
    taken: list[Box] = [(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in marks]
    found: list[Point | None] = []
    for (x, y), text in zip(marks, texts, strict=True):
        width, height = _SIGN * size * len(text), _LINE * size
        boxes = [(dx, dy, _box(x + dx, y + dy, width, height)) for dx, dy in _around(width, height)] if text else []
        free = next(
            ((dx, dy, box) for dx, dy, box in boxes if _within(box, inside) and not any(_meet(box, other) for other in taken)), None
        )
        if free:
            taken.append(free[2])
        found.append(free[:2] if free else None)
    return found


def _around(width: float, height: float) -> Sequence[Point]:
    """Return where the lower left corner may stand: above and below, right and left, corners, and the same farther off."""
    middle = -height / 2
    near = [(-width / 2, _GAP), (-width / 2, -_GAP - height), (_GAP, middle), (-_GAP - width, middle)]
    corners = [(_GAP, _GAP), (_GAP, -_GAP - height), (-_GAP - width, _GAP), (-_GAP - width, -_GAP - height)]
    far = [(-width / 2, -_GAP - 2.2 * height), (-width / 2, _GAP + 1.2 * height), (_GAP, -_GAP - 2.2 * height), (_GAP, _GAP + 1.2 * height)]
    return near + corners + far


def _box(left: float, bottom: float, width: float, height: float) -> Box:
    return (left, bottom, left + width, bottom + height)


def _within(box: Box, outer: Box) -> bool:
    return box[0] >= outer[0] and box[1] >= outer[1] and box[2] <= outer[2] and box[3] <= outer[3]


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
