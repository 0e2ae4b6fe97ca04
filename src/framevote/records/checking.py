"""How values check themselves, once, when they are made."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def check(holds: bool, owner: str, expected: str, received: object) -> None:
    """Raise ValueError, with what was expected and received, unless `holds`."""
    if not holds:
        raise ValueError(f"{owner} expects {expected}. Received: {received}")


def frozen(values: Any, dtype: Any) -> NDArray[Any]:
    """Return `values` as a read-only array of `dtype`, without copying where it can."""
    array: NDArray[Any] = np.asarray(values, dtype=dtype).view()
    array.flags.writeable = False
    return array
