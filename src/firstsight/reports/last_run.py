"""What is kept of a finished run, so that the page of the next one can say what has changed."""

import gzip
import zlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from firstsight.reports.page_report import CollectionReport, DetectorReport, Page
from firstsight.storage.replacing import replace_file


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DetectorThen(_Kept):
    """What one detector found in one collection.

    Args:
        threshold: of the collection.
        rate: of false alarms, where that decides on images.
        anomalous: the images that it called anomalous, in the order of their names.
        kinds: the images of each kind, by its name; outliers are in none.
    """

    threshold: float
    rate: float | None
    anomalous: list[str]
    kinds: dict[str, list[str]]


class CollectionThen(_Kept):
    """The images of one collection that had a map, in the order of their names, and its detectors by name."""

    images: list[str]
    detectors: dict[str, DetectorThen]


class Run(_Kept):
    """The collections of a run by name."""

    collections: dict[str, CollectionThen]


class LastRuns(_Kept):
    """The last run whose page was finished, and the one before it that had other results, where there was one."""

    last: Run
    before: Run | None


def summary_of(page: Page) -> Run:
    """What is kept of the run that a page shows."""
    return Run(collections={collection.name: _collection(collection) for collection in page.collections})


def run_before(run: Run, kept: LastRuns | None) -> Run | None:
    """The run that this one is compared with: the last one with other results.

    A page that is made again from the same results keeps what it said; nobody may have read it yet.
    """
    if kept is None:
        return None
    return kept.before if kept.last == run else kept.last


def read_last_runs(path: Path) -> LastRuns | None:
    """What is kept; None of a first run, or where the file says nothing that this version understands."""
    try:
        return LastRuns.model_validate_json(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, zlib.error, ValidationError):
        return None


def keep_run(path: Path, run: Run, before: Run | None) -> None:
    """Keep a run whose page is finished, and the one that it was compared with, as compressed JSON."""
    content = LastRuns(last=run, before=before).model_dump_json().encode()
    # Without a date: the same runs give the same bytes.
    replace_file(path, lambda beside: beside.write_bytes(gzip.compress(content, mtime=0)))


def _collection(collection: CollectionReport) -> CollectionThen:
    return CollectionThen(
        images=sorted(map(_plain, collection.images["image"])),
        detectors={detector.name: _detector(detector) for detector in collection.detectors},
    )


def _detector(detector: DetectorReport) -> DetectorThen:
    results = detector.image_results
    kinds: dict[str, list[str]] = {}
    for cluster in detector.clusters:
        if cluster.cluster >= 0:
            members = results.index[results["cluster"].eq(cluster.cluster).fillna(value=False)]
            # Two kinds of one name are one.
            kinds.setdefault(cluster.name, []).extend(map(_plain, members))
    return DetectorThen(
        threshold=detector.threshold,
        rate=detector.rate,
        anomalous=sorted(map(_plain, results.index[results["regions"].gt(0)])),
        kinds={name: sorted(kinds[name]) for name in sorted(kinds)},
    )


def _plain(image: str) -> str:
    """The name of an image as valid Unicode, which a file name need not be."""
    return image.encode("utf-8", "backslashreplace").decode("utf-8")
