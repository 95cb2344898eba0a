"""Aota's method against a slow, obvious one."""

from typing import Any

import numpy as np
import pytest
import torch

from firstsight.detectors import aota as module
from firstsight.detectors.aota import aota
from firstsight.errors import FirstsightError
from oracles import aota as oracle
from oracles.patch_statistics import gaussian


@pytest.mark.parametrize("shape", [(4, 9, 12, 3), (1, 5, 5, 5), (3, 3, 17, 1), (2, 7, 8, 7)])
@pytest.mark.parametrize("neighbours", [1, 7, 1000])
def test_the_map_equals_the_oracle(shape: tuple[int, int, int, int], neighbours: int) -> None:
    *sizes, patch_size = shape
    features = np.maximum(np.random.default_rng(1).normal(size=sizes), 0).astype(np.float32)
    expected = oracle.aota(features, patch_size=patch_size, sigma=100.0, neighbours=neighbours)
    found = aota(features, patch_size=patch_size, neighbours=neighbours)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_blocks_of_cells_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    features = torch.rand(3, 9, 11, generator=torch.Generator().manual_seed(0))
    expected = aota(features, neighbours=9)
    monkeypatch.setattr(module, "DISTANCES", 2 * 99)
    torch.testing.assert_close(aota(features, neighbours=9), expected)


def test_features_far_from_zero_lose_nothing() -> None:
    features = torch.rand(3, 9, 11, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(aota(features + 500, neighbours=9), aota(features, neighbours=9), rtol=1e-3, atol=1e-4)


def test_an_enlarged_map_is_blurred() -> None:
    features = torch.rand(3, 9, 11, generator=torch.Generator().manual_seed(0))
    found = aota(features, size=(36, 45), blur_size=5, blur_sigma=1.0)
    cells = aota(features)[None, None]
    large = torch.nn.functional.interpolate(cells, size=(36, 45), mode="bilinear")[0, 0].numpy()
    padded = np.pad(large, 2, mode="reflect")
    blurred = np.array(
        [[(padded[y : y + 5, x : x + 5] * gaussian(5, 1.0)).sum() for x in range(45)] for y in range(36)]
    )
    np.testing.assert_allclose(found.numpy(), blurred, rtol=1e-4)


def test_an_odd_cell_stands_out() -> None:
    features = torch.zeros(2, 12, 12)
    features[:, 4, 7] = 1
    assert aota(features, patch_size=1, neighbours=20).argmax() == 4 * 12 + 7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch_size": 4}, "patch_size is 4"),
        ({"patch_size": 13}, "patch_size is 13.*12 x 12"),
        ({"neighbours": 0}, "neighbours is 0"),
        ({"sigma": 0.0}, "sigma is 0"),
        ({"size": (320, 10)}, "size is 320 x 10"),
        ({"size": (32, 32), "blur_size": 4}, "blur_size is 4"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        aota(torch.zeros(2, 12, 12), **settings)
