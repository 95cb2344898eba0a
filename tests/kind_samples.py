"""Descriptors of several kinds, and kinds that were fitted on some."""

import numpy as np

from firstsight.clustering.kinds import Kinds, fit_kinds


def groups(counts: list[int], seed: int = 0, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Raw descriptors (N, 2, 24) of several kinds, and their kinds."""
    rng = np.random.default_rng(seed)
    kind = np.repeat(np.arange(len(counts)), counts)
    centres = 5 + np.random.default_rng(99).normal(0, 1, (len(counts), 2, 24))
    return centres[kind] + spread * rng.standard_normal((len(kind), 2, 24)), kind


def named(count: int) -> list[str]:
    return [f"{number}.png" for number in range(count)]


def fitted_kinds() -> Kinds:
    """Of 21 images in three kinds; one has a name that is not plain."""
    descriptors, _ = groups([9, 7, 5])
    return fit_kinds([*named(20), "odd é.png"], descriptors, 3, counted="oracle", collection="pile", detector="fca")[0]
