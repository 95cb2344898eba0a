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
    levelled = anomaly_map.clone()
    for row in range(height):
        for column in range(width):
            excess = 1.0
            for distance in range(min(depth, height // 4, width // 4)):
                lines = {
                    "top": (row == distance, anomaly_map[distance]),
                    "bottom": (row == height - 1 - distance, anomaly_map[height - 1 - distance]),
                    "left": (column == distance, anomaly_map[:, distance]),
                    "right": (column == width - 1 - distance, anomaly_map[:, width - 1 - distance]),
                }
                raised = {side: tenth(line.tolist()) / level for side, (_, line) in lines.items()}
                for side, (here, _) in lines.items():
                    if here:
                        excess = max(excess, min(raised[side], 1.5 * min(raised.values())))
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
    raised[[0, -1]] *= 2.5
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


def test_a_break_along_one_whole_side_stays() -> None:
    """No other side is raised, so the border is not why."""
    anomaly_map = calm_map(40, 60)
    anomaly_map[:2] *= 10
    assert (level_borders(anomaly_map, 4)[:2] > 6 * calm_map(40, 60)[:2]).all()


def test_a_map_of_zeros_stays() -> None:
    assert not level_borders(torch.zeros(12, 12), 3).any()
