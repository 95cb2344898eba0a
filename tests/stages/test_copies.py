"""Copies are found across shards, whichever job wrote what."""

from pathlib import Path

import numpy as np

from firstsight.collections.copies import N_PHASES
from firstsight.stages.copies import copies_in, write_contents


def test_copies_are_found_across_shards(tmp_path: Path) -> None:
    phases = np.random.default_rng(0).uniform(-3, 3, (5, N_PHASES)).astype(np.float16)
    phases[4] = phases[1]
    digests = ["same", "1", None, "same", "4"]
    rows = [{"image": f"{n}.png", "sha256": digest} for n, digest in enumerate(digests)]
    shards = [tmp_path / f"{n}.npz" for n in range(3)]
    for path, part in zip(shards, (slice(0, 2), slice(2, 5), slice(0, 0)), strict=True):
        write_contents(path, rows[part], list(phases[part]))
    assert copies_in(shards) == {"3.png": "0.png", "4.png": "1.png"}
    assert copies_in(shards[::-1]) == copies_in(shards)
    assert copies_in([]) == {}
