"""What the page and the file of findings have in common."""

import numpy

from firstsight.reports.first_screen import crops_of
from firstsight.reports.prepared_page import FEWEST_FOR_DENSITY, prepare_page
from firstsight.reports.region_density import region_density
from page_samples import run_before, sample_page


def test_everything_is_found_once_for_each_detector() -> None:
    prepared = prepare_page(sample_page())
    for collection, shown in zip(prepared.page.collections, prepared.detectors, strict=True):
        for detector, own in zip(collection.detectors, shown, strict=True):
            assert own.crops == crops_of(collection, detector)
            assert (own.density is not None) == (detector.n_anomalous >= FEWEST_FOR_DENSITY)
            if own.density is not None:
                assert numpy.array_equal(own.density, region_density(detector.regions, collection.images))
            assert not own.changes


def test_what_has_changed_is_found_for_each_detector() -> None:
    page = sample_page()
    first, *others = [own for shown in prepare_page(page, run_before(page)).detectors for own in shown]
    assert len(first.changes.newly) == page.collections[0].detectors[0].n_anomalous
    assert not any(own.changes for own in others)
