"""Work on the descriptors of many items, on all cores."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from framevote.descriptors import Descriptors
from framevote.features.describing import Described

T = TypeVar("T")


def each_of(described: Described, numbers: Sequence[int], work: Callable[[list[Descriptors]], T]) -> Iterator[T]:
    """Yield what `work` makes of the descriptors of items, in their order; a few are under way at once.

    An item's products of matrices are small: a thread for each item does more than several threads for each product, which beside
    other processes mostly wait for each other (of a thousand descriptors and words, 3 ms alone and 24 ms then).
    """
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with scikit-learn

    cores = len(os.sched_getaffinity(0))
    waiting: deque[Future[T]] = deque()
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores) as pool:
        for number in numbers:
            waiting.append(pool.submit(lambda number: work(described.of(number)), number))
            if len(waiting) > 2 * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
