"""The first screen of the page: the worst regions of a detector and a typical one of each kind, as crops."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstsight.reports.crops import CROP_SIZE, Box, box_of, crop_region
from firstsight.reports.overlays import write_image
from firstsight.reports.page_report import ClusterReport, CollectionReport, DetectorReport
from firstsight.reports.page_text import image_anchor
from firstsight.reports.severity import image_strengths, is_quiet, severities, worst_regions

WORST_SHOWN = 5
"""How many of the worst regions of a detector the first screen shows, one of an image."""

KINDS_PICTURED = 8
"""How many kinds of a detector the first screen shows with a region."""


@dataclass(frozen=True)
class Crop:
    """One region to show, or a whole image where ``box`` is None.

    ``folder`` is the path of the pictures of the image's shard below that of the page, ``size`` the image's width and
    height.
    """

    image: str
    folder: str
    size: tuple[int, int]
    box: Box | None


@dataclass(frozen=True)
class Kind:
    """A kind of the first screen: quiet ones, without anomalies, and those beyond `KINDS_PICTURED` have no crop."""

    report: ClusterReport
    quiet: bool
    crop: Crop | None


@dataclass(frozen=True)
class DetectorCrops:
    """What the first screen shows of one detector in a collection; both in the order of the page."""

    collection: str
    detector: str
    worst: tuple[Crop, ...]
    kinds: tuple[Kind, ...]

    def write(self, folder: Path, data: Path, place: int, number: int) -> None:
        """Draw the crops, from the drawings at their paths relative to ``folder``, into the folder ``data``."""
        pictured = [("worst", index, crop) for index, crop in enumerate(self.worst)]
        pictured += [("kind", index, kind.crop) for index, kind in enumerate(self.kinds) if kind.crop]
        for what, index, crop in pictured:
            drawn = crop_region(folder / crop.folder, crop.image, crop.size, crop.box)
            write_image(data / _file(what, place, number, index), drawn)

    def addresses(self, place: int, number: int, data: str) -> dict[str, Any]:
        """What the template needs: ``worst`` and ``kinds``, each with the crop's address and that of its image."""
        return {
            "worst": [
                self._shown(crop, f"{data}/{_file('worst', place, number, index)}")
                for index, crop in enumerate(self.worst)
            ],
            "kinds": [
                {
                    "report": kind.report,
                    "quiet": kind.quiet,
                    "crop": self._shown(kind.crop, f"{data}/{_file('kind', place, number, index)}")
                    if kind.crop
                    else None,
                }
                for index, kind in enumerate(self.kinds)
            ],
            "width": CROP_SIZE[0],
            "height": CROP_SIZE[1],
        }

    def _shown(self, crop: Crop, url: str) -> dict[str, Any]:
        return {"url": url, "image": crop.image, "address": image_anchor(self.collection, self.detector, crop.image)}


def crops_of(collection: CollectionReport, detector: DetectorReport) -> DetectorCrops:
    """Choose what the first screen shows: the worst regions, and of each kind the strongest region of its medoid.

    Where the medoid has no region, or there is none, the image with the highest score stands for it.
    """
    images = collection.images.set_index("image")[["shard", "width", "height"]].to_dict("index")
    worst = worst_regions(detector, WORST_SHOWN)
    regions = detector.regions.sort_values(["score_max", "region"], ascending=[False, True], kind="stable")
    strongest = regions.drop_duplicates("image").set_index("image")
    severity = severities(detector)
    kinds = []
    for place, report in enumerate(detector.clusters):
        quiet = is_quiet(report, severity[report.cluster])
        crop = None
        if not quiet and place < KINDS_PICTURED:
            image = report.medoid if report.medoid in strongest.index else _highest_of(detector, report.cluster)
            row = strongest.loc[image].to_dict() if image in strongest.index else None
            crop = None if image is None else _crop(detector, images, image, row)
        kinds.append(Kind(report, quiet, crop))
    return DetectorCrops(
        collection.name,
        detector.name,
        tuple(_crop(detector, images, row["image"], row) for row in worst.to_dict("records")),
        tuple(kinds),
    )


def _highest_of(detector: DetectorReport, cluster: int) -> str | None:
    """The image of a cluster that stands out most; among equals the one with the highest score."""
    members = detector.image_results["cluster"].eq(cluster).fillna(value=False)
    results = detector.image_results.assign(strength=image_strengths(detector))[members]
    return str(results.sort_values(["strength", "score"]).index[-1]) if len(results) else None


def _crop(
    detector: DetectorReport, images: Mapping[Any, Mapping[Any, Any]], image: str, region: Mapping[Any, Any] | None
) -> Crop:
    row = images[image]
    size = int(row["width"]), int(row["height"])
    return Crop(image, f"{detector.folder}/{row['shard']}", size, box_of(region, size))


def _file(what: str, place: int, number: int, index: int) -> str:
    return f"crop-{what}-{place}-{number}-{index}.webp"
