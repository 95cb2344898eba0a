"""Maps where the image is missing."""

import pytest
import torch

from firstsight.detectors.missing import calm_missing


@pytest.mark.parametrize("shape", [(10, 14), (20, 28), (5, 7), (40, 30)])
def test_cells_on_missing_pixels_have_the_median_of_the_others(shape: tuple[int, int]) -> None:
    found = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    known = torch.ones(1, 10, 14)
    known[:, :, 7:] = 0.25
    calm = calm_missing(found, known)
    half = -(-shape[1] // 2)
    seen = found[:, : shape[1] // 2]
    assert torch.equal(calm[:, : shape[1] // 2], seen)
    assert calm[:, half:].unique().numel() == 1
    assert float(calm[0, -1]) in seen.flatten().tolist()
    assert (seen <= calm[0, -1]).float().mean() == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("share", [0.0, 0.49, 0.5, 1.0])
def test_without_a_part_that_is_seen_and_one_that_is_not_the_map_stays(share: float) -> None:
    found = torch.rand(6, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(calm_missing(found, torch.full((1, 3, 3), share)), found)
