"""How a promise is checked: an AssertionError says which was broken, and what was received."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.errors import Error
from framevote.parts import build


def check_text(kind: str, part: Any) -> None:
    """Check that a part's text builds its equal."""
    again = rebuilt(kind, part)
    expect(again == part and hash(again) == hash(part), f"{part} promises to equal what its text builds", again)


def rebuilt(kind: str, part: Any) -> Any:
    """Return what a part's text builds."""
    try:
        return build(kind, repr(part))
    except Error as error:
        raise AssertionError(f"{part} promises that its text builds it again. Received: {error}") from error


def same(received: NDArray[Any], expected: NDArray[Any], promise: str, within: float = 1e-6) -> None:
    """Check that numbers are as expected, to so much."""
    same = np.shape(received) == np.shape(expected) and bool(np.allclose(received, expected, rtol=0, atol=within))
    expect(same, promise, f"{received} where {expected} was expected")


def expect(holds: bool, promise: str, received: object) -> None:
    """Raise AssertionError with a promise that does not hold."""
    if not holds:
        raise AssertionError(f"{promise}. Received: {received}")
