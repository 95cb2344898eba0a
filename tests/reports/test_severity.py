"""What is worst: strengths of regions and images, and the order of the kinds."""

from dataclasses import replace

import pytest

from firstsight.reports.severity import by_severity, image_strengths, region_strengths, severities, worst_regions
from page_samples import sample_page

DETECTOR = sample_page().collections[0].detectors[0]


def test_a_strength_is_one_at_the_threshold_and_never_less() -> None:
    strengths = region_strengths(DETECTOR)
    names = DETECTOR.regions["image"]
    assert strengths[names.eq("test/010.png")].tolist() == pytest.approx([12.5 / 2.5] * 2)
    higher = replace(DETECTOR, scale=(3.0, 31.5))
    assert region_strengths(higher)[names.eq("test/020.png")].tolist() == pytest.approx([9.5 / 2] * 2)
    assert region_strengths(higher)[names.eq("test/010.png")].tolist() == [1, 1], "a threshold below the usual"
    weak = replace(DETECTOR, regions=DETECTOR.regions.assign(score_max=0.1))
    assert region_strengths(weak).eq(1).all()


def test_an_image_is_as_strong_as_its_strongest_region() -> None:
    strengths = image_strengths(DETECTOR)
    assert strengths["test/010.png"] == pytest.approx(5)
    assert strengths["test/009.png"] == 0
    assert list(strengths.index) == list(DETECTOR.image_results.index)


def test_the_worst_regions_are_of_different_images() -> None:
    worst = worst_regions(DETECTOR, 3)
    assert list(worst["image"]) == ["test/010.png", "test/011.png", "test/012.png"]
    assert len(worst_regions(DETECTOR, 1000)) == 24


def test_kinds_come_worst_first_then_what_is_in_none_and_what_is_normal_last() -> None:
    severity = severities(DETECTOR)
    assert severity[1] > severity[0] > severity[-1] == 0
    assert [cluster.cluster for cluster in by_severity(DETECTOR).clusters] == [1, 0, -1]
    named = tuple(replace(cluster, name="normal") if cluster.cluster == 1 else cluster for cluster in DETECTOR.clusters)
    assert [cluster.cluster for cluster in by_severity(replace(DETECTOR, clusters=named)).clusters] == [0, -1, 1]
