"""Stage export: the anomalies of a collection in the format of another program."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray

from firstsight import __version__
from firstsight.clustering.decision import Decision
from firstsight.clustering.judged import LEFT_OUT, images_left_out, judge_clusters, region_verdicts
from firstsight.clustering.names import apply_names, bind_names, read_names, rename_clusters
from firstsight.clustering.regions import find_image_regions
from firstsight.clustering.verdicts import names_in, read_verdicts
from firstsight.collections.images import read_row
from firstsight.collections.masks import read_ignored
from firstsight.detectors.image_score import image_score
from firstsight.errors import FirstsightError
from firstsight.reports.exports.findings import UNSORTED, Findings, ImageEntry, ImageFindings, Plane, RegionFinding
from firstsight.reports.exports.registry import EXPORTS
from firstsight.stages.job import Job
from firstsight.storage.json import read_json
from firstsight.storage.replacing import replace_folder
from firstsight.storage.stored_maps import StoredMap, stored_maps
from firstsight.storage.tables import read_table

Cluster = tuple[int | None, str]


def export_collection(
    *,
    maps: Sequence[Path],
    manifests: Sequence[Path],
    charts: Path,
    threshold: Path,
    regions: Path,
    clusters: Path,
    collection: str,
    detector: str,
    method: str,
    settings: Mapping[str, Any],
    fingerprint: str,
    format: str,
    output: Path,
    job: Job,
    names: Path | None = None,
    verdicts: Path | None = None,
) -> None:
    """Write what a detector found in a collection, image by image; images without a map are left out.

    Args:
        maps: the stores of anomaly maps of all shards.
        manifests: the rows of the table `images` of all shards.
        charts: JSON of the stage charts, which places images by likeness.
        threshold: JSON of the collection's threshold.
        regions, clusters: the collection's parts of the tables `regions` and `clusters`.
        collection, detector: their names.
        method, settings, fingerprint: of the detector.
        format: name in `EXPORTS`.
        output: folder to make.
        names: CSV of `firstsight.clustering.names` with names that a person gave to clusters.
        verdicts: CSV of `firstsight.clustering.verdicts`; regions judged normal or not of interest are no findings.

    Raises:
        FirstsightError: the names cannot be read.
    """
    image_rows, region_rows = read_table(clusters), read_table(regions)
    said = read_verdicts(verdicts) if verdicts else []
    given = (read_names(names) if names else {}) | names_in(said)
    if given:
        region_rows = rename_clusters(region_rows, bind_names(image_rows, given))
        image_rows = apply_names(image_rows, given)
    left_out = region_verdicts(region_rows, said).isin(list(LEFT_OUT))
    image_rows = judge_clusters(image_rows, images_left_out(region_rows, said))
    region_rows = region_rows[~left_out]
    of_image = dict(zip(image_rows["image"], _clusters(image_rows), strict=True))
    of_region = dict(
        zip(zip(region_rows["image"], region_rows["region"], strict=True), _clusters(region_rows), strict=True)
    )
    shared, placed = read_json(threshold), read_json(charts)
    rows = pandas.concat(map(read_table, manifests), ignore_index=True).set_index("image", drop=False)
    paths = dict(zip(rows["image"].astype(str), rows["path"].astype(str), strict=True))
    every = sorted(stored_maps(maps), key=lambda stored: stored.image)
    mapped = [stored for stored in every if stored.status == "ok"]
    if len(mapped) < len(every):
        job.note(f"{len(every) - len(mapped)} of {len(every)} images were set aside and are left out")
    findings = Findings(
        collection=collection,
        detector=detector,
        method=method,
        settings=settings,
        fingerprint=fingerprint,
        threshold=shared["threshold"],
        version=__version__,
        # Regions of no cluster last.
        cluster_names=list(dict.fromkeys(name for _, name in sorted(set(of_region.values()), key=_by_number))),
        images=[_entry(stored, of_image, paths[stored.image]) for stored in mapped],
        plane=Plane(placed["images"], placed["points"], placed["near"], placed["distances"]),
    )

    def images() -> Iterator[ImageFindings]:
        for stored, entry in zip(job.progress(mapped, len(mapped)), findings.images, strict=True):
            job.n_images += 1
            own = partial(_pixels, rows.loc[stored.image].to_dict(), job)
            yield _read(stored, entry, Decision.from_json(shared), of_region, own)

    with replace_folder(output) as folder, job.step("export"):
        EXPORTS[format](findings, images(), folder)


def _entry(stored: StoredMap, of_image: Mapping[str, Cluster], path: str) -> ImageEntry:
    assert stored.geometry is not None
    place, cluster = stored.geometry, of_image.get(stored.image, (None, UNSORTED))
    return ImageEntry(stored.image, place.height, place.width, *cluster, str(Path(path).absolute()))


def _read(
    stored: StoredMap,
    entry: ImageEntry,
    decision: Decision,
    of_region: Mapping[tuple[str, int], Cluster],
    pixels: Callable[[], NDArray[np.float32] | None],
) -> ImageFindings:
    assert stored.geometry is not None
    cells = stored.cells()
    ignored = read_ignored(stored.ignored)
    found = find_image_regions(cells, stored.geometry, decision, ignored)
    findings = [
        RegionFinding(
            region=region.region,
            x=region.x,
            y=region.y,
            width=region.width,
            height=region.height,
            area=region.area,
            score_max=region.score_max,
            cluster=of_region[stored.image, region.region][0],
            cluster_name=of_region[stored.image, region.region][1],
        )
        for region in found.regions
        if (stored.image, region.region) in of_region
    ]
    labels = np.where(np.isin(found.labels, [region.region for region in findings]), found.labels, 0)
    anomaly_map = found.anomaly_map if ignored is None else np.where(ignored, np.float32(np.nan), found.anomaly_map)
    return ImageFindings(entry, image_score(cells), anomaly_map, labels, findings, pixels)


def _pixels(row: Mapping[Any, Any], job: Job) -> NDArray[np.float32] | None:
    """The image of a row of the table `images`; None where its file is no longer there."""
    try:
        return read_row(row)
    except FirstsightError as error:
        job.note(f"{row['image']}: its picture is left out ({error})")
        return None


def _clusters(rows: pandas.DataFrame) -> list[Cluster]:
    return [
        (None, UNSORTED) if pandas.isna(number) else (int(number), str(name))
        for number, name in zip(rows["cluster"], rows["cluster_name"], strict=True)
    ]


def _by_number(cluster: Cluster) -> tuple[bool, int, str]:
    number, name = cluster
    return number is None, -1 if number is None else number, name
