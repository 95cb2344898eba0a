"""Dense ranks of the cells of one channel.

Numba caches compiled code on disk and does not notice when a function in another file has changed: after a change to
this file, touch `matching_costs`.
"""

import numpy as np
from numba import njit

# The radix sort's digits: three make up a 32-bit key.
DIGIT_BITS = 11
BUCKETS = 1 << DIGIT_BITS


@njit(cache=True, nogil=True)
def rank_cells(values, least, keys, places, ranks, tied):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Fill ranks and tied from values: rank 0 for the smallest value, 1 for the next greater one, and so on.

    A radix sort of the values above the smallest: after a ReLU, that is half of them.

    Args:
        values: (N,) float32, finite.
        least: the smallest of them.
        keys: (2, N) uint32, overwritten.
        places: (2, N) int32, overwritten.
        ranks: (N,), of an unsigned type that holds N, written.
        tied: (N,) bool, written: whether another cell has the same value; False for the smallest value.
    """
    bits = values.view(np.uint32)
    counts = np.zeros((3, BUCKETS), np.int32)
    size = 0
    for place in range(len(values)):
        tied[place] = False
        ranks[place] = 0
        # Read as integers, positive floats keep their order, negative ones reverse it; -0.0 counts as 0.0.
        key = np.uint32(0) if values[place] == 0 else bits[place]
        key = ~key if key >> np.uint32(31) else key | np.uint32(0x80000000)
        keys[0, size] = key
        places[0, size] = place
        # Added instead of branched on: an unpredictable branch would take longer than all the rest.
        above = 1 if values[place] > least else 0
        size += above
        for digit in range(3):
            counts[digit, (key >> np.uint32(DIGIT_BITS * digit)) & np.uint32(BUCKETS - 1)] += above
    source = 0
    for digit in range(3):
        start = 0
        for bucket in range(BUCKETS):
            count = counts[digit, bucket]
            counts[digit, bucket] = start
            start += count
        for i in range(size):
            key = keys[source, i]
            bucket = (key >> np.uint32(DIGIT_BITS * digit)) & np.uint32(BUCKETS - 1)
            target = counts[digit, bucket]
            counts[digit, bucket] = target + 1
            keys[1 - source, target] = key
            places[1 - source, target] = places[source, i]
        source = 1 - source
    rank = 0
    for i in range(size):
        if i > 0 and keys[source, i] == keys[source, i - 1]:
            tied[places[source, i]] = True
            tied[places[source, i - 1]] = True
        else:
            rank += 1
        ranks[places[source, i]] = rank
