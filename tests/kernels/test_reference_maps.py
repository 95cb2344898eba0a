"""The kernel for many references against the definition, and against the kernel for their mean."""

import numpy as np
import pytest
from numpy.typing import NDArray

from firstsight.detectors.windows import centre_weights, spread_weights
from firstsight.kernels import reference_maps as module
from firstsight.kernels.feature_correspondence import feature_correspondence
from firstsight.kernels.reference_maps import reference_maps
from oracles import patch_statistics as oracle


def features_of(kind: str, *shape: int) -> NDArray[np.float32]:
    values = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    if kind == "few levels":
        return np.round(values * 2)
    if kind == "constant":
        return np.full(shape, -0.7, np.float32)
    return np.maximum(values, 0) if kind == "half zeros" else values


def references_of(kind: str, channels: int, patch_size: int, count: int) -> NDArray[np.float32]:
    """(C, T * T, N); windows of another image, so that a cell may lie below or above all of them."""
    windows = features_of(kind, channels, patch_size**2, count) + np.float32(0.1)
    return np.sort(windows, axis=1)


@pytest.mark.parametrize("kind", ["distinct", "half zeros", "few levels", "constant"])
@pytest.mark.parametrize(("shape", "patch_size"), [((3, 6, 7), 3), ((1, 5, 9), 5), ((2, 3, 3), 3), ((2, 2, 4), 1)])
def test_every_map_is_that_of_its_reference(
    monkeypatch: pytest.MonkeyPatch, kind: str, shape: tuple[int, int, int], patch_size: int
) -> None:
    features = features_of(kind, *shape)
    references = references_of(kind, shape[0], patch_size, 5)
    rows, columns = (spread_weights(size, patch_size, 3.0, None, renormalise=True) for size in shape[1:])
    # A block that is not full is the last.
    monkeypatch.setattr(module, "BLOCK", 2)
    found = reference_maps(features, references, rows, columns)
    assert found.dtype == np.float32
    for number in range(5):
        expected = oracle.fca(features, references[:, :, number], patch_size=patch_size, sigma_s=0)
        np.testing.assert_allclose(found[:, :, number], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("spread", [True, False])
def test_the_mean_of_the_maps_is_the_map_of_the_mean(spread: bool) -> None:
    features, references = features_of("half zeros", 3, 12, 11), references_of("half zeros", 3, 5, 7)
    rows, columns = (
        spread_weights(size, 5, 3.0, 1.0, renormalise=False) if spread else centre_weights(size, 5, 6.0)
        for size in (12, 11)
    )
    expected = feature_correspondence(features, np.sort(references, axis=2), rows, columns, threads=1)
    found = reference_maps(features, references, rows, columns).mean(axis=2)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
