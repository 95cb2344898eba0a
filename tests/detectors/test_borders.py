"""Levelled borders: what every cell of a line shares goes, what stands out from its line stays."""

import math

import pytest
import torch
from torch import Tensor

from firstsight.detectors.borders import level_borders


def tenth(values: list[float]) -> float:
    return sorted(values)[round(0.1 * (len(values) - 1))]


def slow_level_borders(anomaly_map: Tensor, depth: int) -> Tensor:
    """Cell by cell: each is divided by the largest excess among the border lines that it lies on."""
    height, width = anomaly_map.shape
    level = tenth(anomaly_map.flatten().tolist())
    lines = min(depth, height // 4, width // 4)
    levelled = anomaly_map.clone()
    for row in range(height):
        for column in range(width):
            excess = 1.0
            if min(row, height - 1 - row) < lines:
                excess = max(excess, tenth(anomaly_map[row].tolist()) / level)
            if min(column, width - 1 - column) < lines:
                excess = max(excess, tenth(anomaly_map[:, column].tolist()) / level)
            levelled[row, column] = anomaly_map[row, column] / excess
    return levelled


def calm_map(height: int, width: int) -> Tensor:
    return 1 + torch.rand(height, width, generator=torch.Generator().manual_seed(height))


@pytest.mark.parametrize("shape", [(24, 31), (9, 40), (5, 5), (3, 17), (1, 1)])
@pytest.mark.parametrize("depth", [0, 2, 8])
def test_it_equals_the_definition(shape: tuple[int, int], depth: int) -> None:
    anomaly_map = calm_map(*shape)
    anomaly_map[0] *= 3
    anomaly_map[:, -1] *= 2
    before = anomaly_map.clone()
    torch.testing.assert_close(level_borders(anomaly_map, depth), slow_level_borders(anomaly_map, depth))
    assert torch.equal(anomaly_map, before)


def test_a_raised_frame_comes_down_to_the_rest() -> None:
    anomaly_map = calm_map(40, 60)
    raised = anomaly_map.clone()
    raised[[0, 1, -1]] *= 2.5
    raised[:, [0, -1]] *= 2.5
    levelled = level_borders(raised, 4)
    assert (levelled <= raised).all()
    frame = torch.cat([levelled[0], levelled[-1], levelled[:, 0], levelled[:, -1]])
    assert frame.mean() == pytest.approx(float(anomaly_map.mean()), rel=0.15)
    assert torch.equal(levelled[4:-4, 4:-4], raised[4:-4, 4:-4])


@pytest.mark.parametrize(("share", "kept"), [(0.1, 0.9), (0.5, 0.85), (0.8, 0.6)])
def test_a_defect_at_the_border_keeps_its_score(share: float, kept: float) -> None:
    """Nearly: also where it fills most of the border."""
    anomaly_map = calm_map(40, 60)
    defect = (slice(0, 3), slice(0, math.ceil(60 * share)))
    anomaly_map[defect] *= 10
    levelled = level_borders(anomaly_map, 4)
    assert (levelled[defect] > kept * anomaly_map[defect]).all()


def test_a_map_of_zeros_stays() -> None:
    assert not level_borders(torch.zeros(12, 12), 3).any()
