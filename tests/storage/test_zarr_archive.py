"""How an array is cut into the chunks of an archive."""

import math

from hypothesis import given
from hypothesis import strategies as st

from firstsight.storage.zarr_archive import chunk_shape


@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=4).map(tuple),
    itemsize=st.sampled_from([2, 4]),
    limit=st.integers(4, 5000),
)
def test_chunks_are_within_the_limit_and_no_smaller_than_they_must(
    shape: tuple[int, ...], itemsize: int, limit: int
) -> None:
    chunks = chunk_shape(shape, itemsize, limit)
    assert len(chunks) == len(shape)
    assert all(1 <= chunk <= side for chunk, side in zip(chunks, shape, strict=True))
    assert math.prod(chunks) * itemsize <= limit
    if math.prod(shape) * itemsize <= limit:
        assert chunks == shape
    # One step more along the axis that is cut would be too much.
    cut = [axis for axis in range(len(shape)) if chunks[axis] < shape[axis]]
    if cut:
        axis = cut[-1]
        assert (chunks[axis] + 1) * math.prod(chunks[axis + 1 :]) * itemsize > limit
