"""What the jobs that look at images keep of them, so that later jobs find which are copies of others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstsight.collections.copies import N_PHASES, find_copies
from firstsight.storage.archives import read_arrays, write_arrays


def write_contents(path: Path, rows: Sequence[Mapping[str, Any]], phases: Sequence[NDArray[np.float16]]) -> None:
    """Write the npz of a shard: image and sha256 (N,) text, empty where a file cannot be read, and phases (N, K)."""
    write_arrays(
        path,
        image=np.array([row["image"] for row in rows], dtype=np.str_),
        sha256=np.array([row["sha256"] or "" for row in rows], dtype=np.str_),
        phases=np.array(phases, dtype=np.float16).reshape(len(rows), N_PHASES),
    )


def copies_in(shards: Sequence[Path]) -> dict[str, str]:
    """Which images of a collection are copies of which others, see `find_copies`.

    Args:
        shards: npz files of `write_contents`, in any order.
    """
    parts = [read_arrays(path, "image", "sha256", "phases") for path in shards]
    if not parts:
        return {}
    images, digests, phases = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return find_copies([str(image) for image in images], [str(digest) or None for digest in digests], phases)
