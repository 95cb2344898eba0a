"""The limit that tells judged images best apart, against one that tries every limit."""

import numpy as np
import pytest

from firstsight.clustering.judged_limit import JudgedImages, best_limit, judged_images
from firstsight.clustering.verdicts import Verdict


def quality(defect: np.ndarray, normal: np.ndarray, limit: float) -> float:
    called = sum(value > limit for value in defect) / len(defect)
    return called + sum(value <= limit for value in normal) / len(normal)


@pytest.mark.parametrize("seed", range(60))
def test_no_limit_is_better_and_none_as_good_is_nearer(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scale = 10.0 ** generator.integers(-6, 3)
    # Coarse values, so that many are equal; negative ones, as p-values are compared.
    sizes = generator.integers(1, 7, 2)
    defect, normal = (
        np.round(generator.normal(shift, 2, size), 1) * scale for shift, size in zip((1, -1), sizes, strict=True)
    )
    current = float(generator.normal(0, 4) * scale)
    found = best_limit(defect, normal, current)
    values = np.unique(np.concatenate([defect, normal]))
    tried = [current, *values, *np.nextafter(values, -np.inf)]
    best = max(quality(defect, normal, limit) for limit in tried)
    if best <= 1 + 1e-9:
        assert found is None
        return
    assert found is not None
    assert quality(defect, normal, found) == pytest.approx(best)
    nearest = min(abs(limit - current) for limit in tried if quality(defect, normal, limit) > best - 1e-9)
    # A limit with few digits may lie a little further on.
    assert nearest <= abs(found - current) <= nearest + 0.1 * max(np.abs(values).max(), abs(found))


def test_a_limit_is_kept_where_none_is_better_and_has_few_digits() -> None:
    defect, normal = np.array([5.0, 6.0]), np.array([1.0, 2.0123456])
    assert best_limit(defect, normal, 3.21) == 3.21
    assert best_limit(defect, normal, 0.5) == 2.1
    assert best_limit(defect, normal, 9.0) == 4.9
    assert best_limit(np.array([2.0123457]), normal, 0.5) == pytest.approx(2.0123456, abs=1e-7)
    # p-values, with their sign changed: 3 % was judged normal, so the rate goes down to it.
    assert best_limit(np.array([-0.001, -1e-12]), np.array([-0.03, -0.4]), -0.05) == pytest.approx(-0.03)
    assert best_limit(np.array([-0.2003]), np.array([-0.9]), -0.05) == -0.21
    assert best_limit(np.array([0.0]), np.array([-0.9]), -0.05) == -0.05


@pytest.mark.parametrize(("defect", "normal"), [([], [1.0]), ([1.0], []), ([1.0], [2.0]), ([1.0], [1.0])])
def test_without_both_sorts_or_anything_that_tells_them_apart_there_is_none(
    defect: list[float], normal: list[float]
) -> None:
    assert best_limit(np.array(defect), np.array(normal), 1.5) is None


def test_a_region_is_enough_for_a_defect_and_a_whole_image_for_a_normal_one() -> None:
    box = (0, 0, 9, 9)
    said = [("a", box, "defect"), ("b", None, "normal"), ("c", box, "normal"), ("d", None, "not of interest")]
    said += [("e", None, "normal"), ("e", box, "defect"), ("f", None, "kind")]
    judged = judged_images([Verdict("tiles", "fca", image, place, word, "") for image, place, word in said])
    assert judged == JudgedImages(("a", "e"), ("b",))
    assert judged.lacking == ""
    assert JudgedImages((), ("b",)).lacking == "no image is judged to have a defect"
