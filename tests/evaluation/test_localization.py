import math
import re
import weakref
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster
from numpy.typing import NDArray

from firstsight.errors import FirstsightError
from firstsight.evaluation.localization import (
    auroc,
    auroc_from_statistics,
    average_precision,
    average_precision_from_statistics,
    f1_max,
    f1_max_from_statistics,
    image_auroc,
    image_auroc_from_scores,
    image_auroc_from_statistics,
    means_by_image,
    pro,
    pro_from_statistics,
)
from firstsight.evaluation.localization_statistics import Part, localization_statistics, localization_statistics_of
from oracles import localization as oracle

PIXEL_METRICS = [auroc, average_precision, f1_max, pro]


def blobs(random: np.random.Generator, height: int, width: int, count: int) -> NDArray[np.bool]:
    """A mask of `count` rectangles, which may touch by a corner or overlap."""
    mask = np.zeros((height, width), dtype=bool)
    for _ in range(count):
        y, x = random.integers(height), random.integers(width)
        mask[y : y + random.integers(1, 4), x : x + random.integers(1, 4)] = True
    return mask


def collection(seed: int, levels: int | None = None) -> tuple[list[NDArray[np.bool]], list[NDArray[np.float32]]]:
    """Images of unlike, odd sizes, one pixel and one row among them; a third without a defect; `levels` scores tie."""
    random = np.random.default_rng(seed)
    height, width = map(int, random.integers(1, 14, 2))
    sizes = [(7, 11), (1, 1), (12, 5), (1, 9), (8, 8), (height, width)]
    masks = [blobs(random, *size, int(random.integers(0, 4))) for size in sizes]
    masks[0][2, 3] = True
    maps = [(random.normal(size=mask.shape) + mask).astype(np.float32) for mask in masks]
    if levels:
        maps = [(np.round(values * levels) / levels).astype(np.float32) for values in maps]
    return masks, maps


@pytest.mark.parametrize("case", ["cont", "ties"])
def test_metrics_equal_the_reference_numbers(shared: Path, case: str) -> None:
    golden = np.load(shared / "golden" / "metrics.npz")
    masks, maps = golden[f"{case}.masks"], golden[f"{case}.maps"]
    whole = localization_statistics(masks, maps)
    defective = localization_statistics(masks, maps, defective_only=True)
    found = {
        "pro_0.3": pro_from_statistics(whole, 0.3),
        "pro_0.05": pro_from_statistics(whole, 0.05),
        "pro_1.0": pro_from_statistics(whole, 1.0),
        "auroc": auroc_from_statistics(whole),
        "average_precision": average_precision_from_statistics(whole),
        "f1_max": f1_max_from_statistics(whole),
        # The reference takes the largest value of a map for its image's score.
        "image_auroc": image_auroc_from_scores(whole.image_anomalous, maps.max(axis=(1, 2))),
        "defective_only_pro_0.3": pro_from_statistics(defective, 0.3),
    }
    assert found == pytest.approx({name: float(golden[f"{case}.{name}"]) for name in found}, abs=1e-6)


@pytest.mark.parametrize("levels", [None, 8, 2, 1])
@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_a_sweep_over_all_thresholds(seed: int, levels: int | None) -> None:
    masks, maps = collection(seed, levels)
    assert auroc(masks, maps) == pytest.approx(oracle.auroc(masks, maps), abs=1e-12)
    assert average_precision(masks, maps) == pytest.approx(oracle.average_precision(masks, maps), abs=1e-12)
    assert f1_max(masks, maps) == pytest.approx(oracle.f1_max(masks, maps), abs=1e-12)
    for limit in (0.01, 0.05, 0.3, 0.77, 1.0):
        assert pro(masks, maps, limit) == pytest.approx(oracle.pro(masks, maps, limit), abs=1e-12)
    anomalous, scores = np.array([mask.any() for mask in masks]), np.array([values.max() for values in maps])
    assert image_auroc(masks, maps) == pytest.approx(oracle.pairwise_auroc(anomalous, scores), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_defective_only_leaves_the_normal_pixels_of_other_images_out(seed: int) -> None:
    masks, maps = collection(seed, levels=8)
    statistics = localization_statistics(masks, maps, defective_only=True)
    kept = [index for index, mask in enumerate(masks) if mask.any()]
    assert 0 < len(kept) < len(masks) == statistics.n_images
    defective = [masks[index] for index in kept], [maps[index] for index in kept]
    assert pro_from_statistics(statistics) == pytest.approx(oracle.pro(*defective, limit=0.3), abs=1e-12)
    assert auroc_from_statistics(statistics) == pytest.approx(oracle.auroc(*defective), abs=1e-12)
    assert image_auroc_from_statistics(statistics) == image_auroc(masks, maps)


@pytest.mark.parametrize("levels", [None, 2, 1])
@pytest.mark.parametrize("seed", range(4))
def test_means_by_image_compare_each_image_with_itself(seed: int, levels: int | None) -> None:
    masks, maps = collection(seed, levels)
    # One that is anomalous all over has an average precision and no AUROC, one without a defect neither.
    masks[1][:] = True
    parts = as_parts(masks, maps, [0, 1, 4, len(masks)])
    anomalous = [([mask], [values]) for mask, values in zip(masks, maps, strict=True) if mask.any()]
    with_both = [(mask, values) for mask, values in anomalous if not mask[0].all()]
    found = means_by_image(parts)
    assert found == {
        "auroc_by_image": pytest.approx(np.mean([oracle.auroc(*image) for image in with_both])),
        "average_precision_by_image": pytest.approx(np.mean([oracle.average_precision(*image) for image in anomalous])),
    }
    # Another offset of each image's scores changes nothing, as it would if images were compared with one another.
    moved = [values + 100 * place for place, values in enumerate(maps)]
    assert means_by_image([Part(len(masks), partial(opened, masks, moved))]) == pytest.approx(found, abs=1e-3)


def test_means_by_image_heed_the_crop_and_may_be_undefined() -> None:
    mask = np.zeros((10, 10), dtype=bool)
    mask[0, 0] = mask[5, 5] = True
    values = np.where(mask, 1, 0).astype(np.float32)
    values[0, 0] = -1
    part = [Part(1, partial(opened, [mask], [values]))]
    assert means_by_image(part)["average_precision_by_image"] < 1
    assert means_by_image(part, 0.1) == {"auroc_by_image": 1.0, "average_precision_by_image": 1.0}
    nothing = means_by_image([Part(1, partial(opened, [np.zeros_like(mask)], [values]))])
    assert all(math.isnan(value) for value in nothing.values())


def test_statistics_describe_the_collection() -> None:
    mask = np.array([[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]], dtype=bool)  # the first two touch by a corner
    values = np.array([[5, 5, 1, 9], [0, 2, 2, 5], [2, 0, 0, 0]], dtype=np.float32)
    statistics = localization_statistics([mask, mask[2:]], [values, values[2:]])
    assert (statistics.n_images, statistics.n_regions, statistics.n_anomalous, statistics.n_normal) == (2, 2, 3, 13)
    assert statistics.anomalous.tolist() == [2, 1]
    assert statistics.overlap.tolist() == [1.5, 0.5]
    assert statistics.normal_above.tolist() == [1, 2]
    assert statistics.normal_equal.tolist() == [1, 3]
    assert statistics.image_anomalous.tolist() == [True, False]
    assert statistics.image_scores.tolist() == [9, 2]


def test_perfect_and_inverted_maps_reach_the_ends_of_the_range() -> None:
    mask = np.zeros((10, 10), dtype=bool)
    mask[2:4, 5:8] = True
    for metric in PIXEL_METRICS:
        assert metric([mask], [mask.astype(np.float32)]) == pytest.approx(1)
    inverted = 1 - mask.astype(np.float32)
    assert auroc([mask], [inverted]) == pro([mask], [inverted]) == 0
    assert average_precision([mask], [inverted]) == pytest.approx(0.06)


def test_a_constant_map_is_a_coin() -> None:
    mask = np.zeros((5, 6), dtype=bool)
    mask[1, 1:3] = True
    values = np.full(mask.shape, -3.5)
    assert auroc([mask], [values]) == 0.5
    assert average_precision([mask], [values]) == pytest.approx(2 / 30)
    assert f1_max([mask], [values]) == pytest.approx(4 / 32)
    assert pro([mask], [values], 1.0) == pytest.approx(0.5)
    assert pro([mask], [values], 0.3) == pytest.approx(0.15)  # the diagonal up to 0.3


def test_without_anomalous_pixels_every_metric_is_nan() -> None:
    masks, maps = [np.zeros((3, 4), dtype=bool)] * 2, [np.ones((3, 4), dtype=np.float32)] * 2
    assert all(math.isnan(metric(masks, maps)) for metric in [*PIXEL_METRICS, image_auroc])
    statistics = localization_statistics(masks, maps, defective_only=True)
    assert (statistics.n_images, statistics.n_regions, statistics.n_normal) == (2, 0, 0)


@pytest.mark.parametrize("shape", [(4, 3), (1, 1)])
def test_without_normal_pixels_only_precision_is_defined(shape: tuple[int, int]) -> None:
    mask, values = np.ones(shape, dtype=bool), np.random.default_rng(0).normal(size=shape)
    assert average_precision([mask], [values]) == f1_max([mask], [values]) == 1
    assert all(math.isnan(metric([mask], [values])) for metric in [auroc, pro, image_auroc])


def test_a_mask_entirely_anomalous_beside_normal_images() -> None:
    random = np.random.default_rng(3)
    masks = [np.ones((4, 5), dtype=bool), np.zeros((6, 3), dtype=bool)]
    maps = [random.normal(size=mask.shape) for mask in masks]
    assert pro(masks, maps) == pytest.approx(oracle.pro(masks, maps, 0.3), abs=1e-12)
    assert auroc(masks, maps) == pytest.approx(oracle.auroc(masks, maps), abs=1e-12)


def test_many_images_count_like_one_large_image() -> None:
    # More images than NumPy takes arguments in one call, and no region crosses an image border.
    random = np.random.default_rng(4)
    masks = random.random((150, 6, 7)) < 0.1
    masks[:, 0] = False
    maps = random.normal(size=masks.shape).astype(np.float32) + masks
    whole = [masks.reshape(-1, 7)], [maps.reshape(-1, 7)]
    for metric in PIXEL_METRICS:
        assert metric(masks, maps) == pytest.approx(metric(*whole), abs=1e-12)


def test_maps_of_different_types_are_compared_without_rounding() -> None:
    masks = [np.array([[True, False]]), np.array([[False, False]])]
    fine = 1 + 2.0**-40  # 1 in float32
    maps = [np.array([[1, 0]], dtype=np.float32), np.array([[fine, 0]])]
    assert auroc(masks, maps) == pytest.approx(2 / 3)
    for dtype in (np.float16, np.int32, np.uint8, bool):
        assert auroc(masks, [maps[0].astype(dtype), np.zeros((1, 2), dtype)]) == 1


def test_uint8_masks_hold_0_and_255_or_0_and_1() -> None:
    masks, maps = collection(seed=1)
    reference = pro(masks, maps)
    assert pro([mask.astype(np.uint8) for mask in masks], maps) == reference
    assert pro([mask.astype(np.uint8) * 255 for mask in masks], maps) == reference
    grey = [np.where(mask, 128, 127).astype(np.uint8) for mask in masks]
    assert pro(grey, maps) == reference


@pytest.mark.parametrize(
    ("crop", "shape", "inside"),
    [
        (0.1, (320, 320), np.s_[32:288, 32:288]),
        (0.29, (100, 10), np.s_[29:71, 3:7]),
        (0.25, (1, 6), np.s_[0:1, 2:4]),
        (0.49, (2, 3), np.s_[0:2, 1:2]),
    ],
)
def test_crop_cuts_a_fraction_of_every_side_first(
    crop: float, shape: tuple[int, int], inside: tuple[slice, slice]
) -> None:
    random = np.random.default_rng(5)
    mask, values = random.random(shape) < 0.3, random.normal(size=shape)
    mask[inside].flat[0] = True
    cropped = localization_statistics([mask], [values], crop=crop)
    expected = localization_statistics([mask[inside]], [values[inside]])
    assert cropped.n_normal + cropped.n_anomalous == mask[inside].size
    assert cropped.n_regions == expected.n_regions
    assert cropped.image_scores == expected.image_scores
    assert pro_from_statistics(cropped) == pytest.approx(pro_from_statistics(expected), nan_ok=True)


class Lazy:
    """Makes its arrays on access; knows how often each was read and how many were ever alive at once."""

    def __init__(self, arrays: list[NDArray[Any]]) -> None:
        self.arrays = arrays
        self.reads = [0] * len(arrays)
        self.made: list[weakref.ref[NDArray[Any]]] = []
        self.most_alive = 0

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, index: int) -> NDArray[Any]:
        self.reads[index] += 1
        array = self.arrays[index].copy()
        self.made.append(weakref.ref(array))
        self.most_alive = max(self.most_alive, sum(made() is not None for made in self.made))
        return array


def test_lazy_sequences_are_read_twice_and_not_kept() -> None:
    masks, maps = collection(seed=2)
    lazy_masks, lazy_maps = Lazy(masks), Lazy(maps)
    assert pro(lazy_masks, lazy_maps) == pro(masks, maps)
    assert lazy_masks.reads == lazy_maps.reads == [2] * len(masks)
    assert max(lazy_masks.most_alive, lazy_maps.most_alive) <= 2


def test_inputs_stay_as_they_are() -> None:
    masks, maps = collection(seed=6, levels=8)
    before = [values.copy() for values in maps]
    localization_statistics(masks, maps, crop=0.1)
    assert all(np.array_equal(values, copy) for values, copy in zip(maps, before, strict=True))


GOOD = np.zeros((2, 3), dtype=bool)


@pytest.mark.parametrize(
    ("masks", "maps", "message"),
    [
        ([], [], "got 0 and 0"),
        ([GOOD], [np.zeros((2, 3))] * 2, "got 1 and 2"),
        (
            [GOOD] * 2,
            [np.zeros((2, 3)), np.zeros((3, 2))],
            "image 1: mask and map must be (H, W) of one size, got (2, 3)",
        ),
        ([GOOD[0]], [np.zeros(3)], "image 0: mask and map must be (H, W)"),
        ([GOOD[:0]], [np.zeros((0, 3))], "got (0, 3) and (0, 3)"),
        (
            [GOOD],
            [np.array([[0, 1, 2], [3, np.nan, np.nan]])],
            "image 0: the map must be finite, got nan at row 1, column 1",
        ),
        ([GOOD], [np.full((2, 3), -np.inf)], "got -inf at row 0, column 0 (6 such values)"),
        ([GOOD.astype(float)], [np.zeros((2, 3))], "image 0: a mask must be bool or uint8, got float64"),
        ([GOOD], [np.zeros((2, 3), dtype=complex)], "image 0: a map must hold real numbers, got complex128"),
    ],
)
def test_bad_images_are_named(masks: list[NDArray[Any]], maps: list[NDArray[Any]], message: str) -> None:
    for metric in [*PIXEL_METRICS, image_auroc]:
        with pytest.raises(FirstsightError, match=re.escape(message)):
            metric(masks, maps)


@pytest.mark.parametrize("limit", [0, -0.3, 1.01, math.nan])
def test_a_bad_limit_is_named(limit: float) -> None:
    with pytest.raises(FirstsightError, match=re.escape(f"must be in (0, 1], got {limit}")):
        pro([GOOD], [np.zeros((2, 3))], limit)


@pytest.mark.parametrize("crop", [-0.1, 0.5, math.nan])
def test_a_bad_crop_is_named(crop: float) -> None:
    with pytest.raises(FirstsightError, match=re.escape(f"crop must be in [0, 0.5), got {crop}")):
        localization_statistics([GOOD], [np.zeros((2, 3))], crop=crop)


@pytest.mark.parametrize("seed", range(5))
def test_image_auroc_from_scores_counts_pairs(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, 6, 25) / 4
    anomalous = random.random(25) < 0.4
    expected = oracle.pairwise_auroc(anomalous, scores)
    assert image_auroc_from_scores(anomalous, scores) == pytest.approx(expected, abs=1e-12)
    assert image_auroc_from_scores(anomalous.astype(int).tolist(), scores.tolist()) == pytest.approx(expected)


def test_image_auroc_from_scores_needs_both_labels() -> None:
    assert math.isnan(image_auroc_from_scores([True, True], [0.1, 0.2]))
    assert math.isnan(image_auroc_from_scores([False], [0.1]))


@pytest.mark.parametrize(
    ("anomalous", "scores", "message"),
    [
        ([], [], "got shapes (0,) and (0,)"),
        ([True], [1.0, 2.0], "got shapes (1,) and (2,)"),
        ([0, 2], [1.0, 2.0], "image 1: a label must be true or false (1 or 0), got"),
        (["good", "hole"], [1.0, 2.0], "image 0: a label must be true or false (1 or 0), got"),
        ([0, 1], [1.0, math.inf], "image 1: a score must be finite, got inf"),
        ([0, 1], ["a", "b"], "image scores must be real numbers"),
    ],
)
def test_bad_labels_and_scores_are_named(
    anomalous: list[bool | int | str], scores: list[float | str], message: str
) -> None:
    with pytest.raises(FirstsightError, match=re.escape(message)):
        image_auroc_from_scores(anomalous, scores)


def as_parts(masks: list[NDArray[np.bool]], maps: list[NDArray[Any]], cuts: list[int]) -> list[Part]:
    return [Part(last - first, partial(opened, masks[first:last], maps[first:last])) for first, last in pairwise(cuts)]


def opened(
    masks: list[NDArray[np.bool]], maps: list[NDArray[Any]]
) -> tuple[list[NDArray[np.bool]], list[NDArray[Any]]]:
    return masks, maps


@pytest.mark.parametrize("defective_only", [False, True])
@pytest.mark.parametrize("levels", [None, 3])
def test_any_cut_into_parts_on_any_scheduler_gives_the_same_statistics(
    levels: int | None, defective_only: bool
) -> None:
    (first_masks, first_maps), (more_masks, more_maps) = collection(1, levels), collection(2, levels)
    masks = first_masks + more_masks
    maps: list[NDArray[Any]] = [*first_maps, *more_maps]
    maps[3] = maps[3].astype(np.float64) + 1e-12
    found = [localization_statistics(masks, maps, defective_only=defective_only)]
    for cuts in ([0, 12], [0, 1, 5, 12], [0, *range(2, 12, 3), 12], list(range(13))):
        parts = as_parts(masks, maps, cuts)
        found.append(localization_statistics_of(parts, defective_only=defective_only))
    for options in ({"scheduler": "sync"}, {"num_workers": 1}, {"num_workers": 4}):
        with dask.config.set(options):
            found.append(localization_statistics_of(parts, defective_only=defective_only))
    with (
        LocalCluster(processes=False, n_workers=2, threads_per_worker=2, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster),
    ):
        found.append(localization_statistics_of(parts, defective_only=defective_only))
    for other in found[1:]:
        for name, value in vars(found[0]).items():
            assert np.array_equal(value, getattr(other, name)), name


def test_parts_of_a_collection_name_the_image_as_it_is_numbered_there() -> None:
    masks, maps = collection(0)
    maps[4][0, 0] = np.nan
    with pytest.raises(FirstsightError, match=r"image 4: the map must be finite"):
        localization_statistics_of(as_parts(masks, maps, [0, 3, 6]))
    with pytest.raises(FirstsightError, match="at least one image"):
        localization_statistics_of([])


def test_pixels_that_are_left_out_count_as_if_they_were_cut_away() -> None:
    random = np.random.default_rng(3)
    masks = random.random((4, 12, 15)) < 0.2
    maps = random.random((4, 12, 15)).astype(np.float32).round(1)
    left_out = np.zeros((12, 15), bool)
    left_out[:, 9:] = True
    found = localization_statistics(masks, [np.ma.array(values, mask=left_out) for values in maps])
    expected = localization_statistics(masks[:, :, :9], maps[:, :, :9])
    for name in ("anomalous", "overlap", "normal_above", "normal_equal", "n_normal", "n_regions", "image_anomalous"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
