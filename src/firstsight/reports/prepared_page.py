"""What the page and the file of findings have in common, found once for both."""

from dataclasses import dataclass, replace

import numpy
from numpy.typing import NDArray

from firstsight.reports.changes import Changes, changes_since
from firstsight.reports.first_screen import DetectorCrops, crops_of
from firstsight.reports.last_run import Run, summary_of
from firstsight.reports.page_report import CollectionReport, DetectorReport, Page
from firstsight.reports.region_density import region_density
from firstsight.reports.severity import by_severity

FEWEST_FOR_DENSITY = 3
"""Anomalous images from which on it is shown where their regions lie."""


@dataclass(frozen=True, eq=False)
class PreparedDetector:
    """Of one detector in one collection: the crops of the first screen, where regions lie, and what has changed.

    ``density`` is that of `region_density`; None: too few images are anomalous to show it.
    """

    crops: DetectorCrops
    density: NDArray[numpy.float64] | None
    changes: Changes


@dataclass(frozen=True, eq=False)
class PreparedPage:
    """A page with the clusters of every detector in the order in which it shows them, and what is shown of each."""

    page: Page
    detectors: tuple[tuple[PreparedDetector, ...], ...]
    """By collection, then by detector."""


def prepare_page(page: Page, before: Run | None = None) -> PreparedPage:
    """Find what is shown of every detector.

    Args:
        page: the results.
        before: an earlier run, of which is shown what has changed since.
    """
    run = summary_of(page)
    collections = tuple(
        replace(collection, detectors=tuple(map(by_severity, collection.detectors))) for collection in page.collections
    )
    detectors = tuple(
        tuple(
            PreparedDetector(
                crops_of(collection, detector),
                _density(detector, collection),
                changes_since(run, before, collection.name, detector.name),
            )
            for detector in collection.detectors
        )
        for collection in collections
    )
    return PreparedPage(replace(page, collections=collections), detectors)


def _density(detector: DetectorReport, collection: CollectionReport) -> NDArray[numpy.float64] | None:
    if detector.n_anomalous < FEWEST_FOR_DENSITY:
        return None
    return region_density(detector.regions, collection.images)
