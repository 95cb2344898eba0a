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

    What an item holds counts from when its reading begins until the result after its own is asked for. As long as
    anything is held, no item is begun with which more than ``budget`` would be: a single item may be larger, and is
    then the only one. Leaving the ``with`` block early waits for what is being read; what is not begun never is.

    Args:
        items: what to read.
        read: called in any of the threads, for several items at a time.
        cost: what an item holds, in the unit of ``budget``, such as its pixels.
        budget: how much is held at a time.
        threads: how many items are read at a time, at least 1.

    Returns:
        Of a ``with`` block: an iterator over the results. One that is a `FirstsightError` was raised by ``read``.

    Raises:
        DamagedError, or any exception that is no FirstsightError: raised by ``read``; where that result is asked for.
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
