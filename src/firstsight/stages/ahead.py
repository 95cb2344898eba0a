"""Reading ahead: threads read and decode what comes next while the device works on what is there."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from firstsight.errors import DamagedError, FirstsightError

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def read_ahead(
    items: Sequence[T], read: Callable[[T], R], *, cost: Callable[[T], int], budget: int, threads: int
) -> Iterator[Iterator[R | FirstsightError]]:
    """Give ``read(item)`` for every item, in order, while threads read the following ones.

    The cost of an item counts from the start of its reading until the result after its own is asked for. Reading starts
    as long as all that counts stays within ``budget``; an item that alone costs more is read when nothing else counts.
    Leaving the ``with`` block early waits for the items that are being read, and starts no others.

    Args:
        items: what to read.
        read: called in the threads, for several items at a time.
        cost: of an item, in the unit of ``budget``, such as its pixels.
        budget: how much may be in memory at a time.
        threads: how many items are read at a time, at least 1.

    Returns:
        For the ``with`` block: an iterator over the results. One that is a `FirstsightError` was raised by ``read``.

    Raises:
        DamagedError, or any exception that is no FirstsightError: by ``read``; raised when that result is asked for.
    """

    def attempt(item: T) -> R | FirstsightError:
        try:
            return read(item)
        except DamagedError:
            raise
        except FirstsightError as error:
            return error

    pool = ThreadPoolExecutor(threads, thread_name_prefix="read_ahead")
    try:
        yield _in_order(pool, deque(items), attempt, cost, budget)
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ThreadPoolExecutor, remaining: deque[T], read: Callable[[T], R], cost: Callable[[T], int], budget: int
) -> Iterator[R]:
    begun: deque[tuple[int, Future[R]]] = deque()
    held = 0
    while remaining or begun:
        while remaining and (not begun or held + cost(remaining[0]) <= budget):
            item = remaining.popleft()
            begun.append((cost(item), pool.submit(read, item)))
            held += begun[-1][0]
        spent = begun[0][0]
        # No name for the result: it would keep the result while the next one is read.
        yield begun.popleft()[1].result()
        held -= spent
