"""Stage tables: the results of all jobs of a run, joined into the seven tables.

Tasks of dask read the parts, some files each; one table of one collection is in memory at a time, and the records of
the jobs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas
from dask.base import compute
from dask.delayed import delayed
from scipy.stats import false_discovery_control

from firstsight.clustering.judged import images_left_out, judge_clusters, judge_regions
from firstsight.clustering.names import Cluster, bind_names, read_names, rename_clusters
from firstsight.clustering.verdicts import names_in, read_verdicts
from firstsight.plan.files import ImageParts
from firstsight.stages.copies import copies_in
from firstsight.stages.job import Job
from firstsight.stages.region_kinds import count_region_kinds
from firstsight.stages.remarks import remarks_on, with_copies
from firstsight.storage.json import read_json
from firstsight.storage.stored_images import read_images
from firstsight.storage.table_schemas import SCHEMAS, SORT_KEYS
from firstsight.storage.tables import concatenate_tables, read_table, write_blocks, write_table

_FILES_PER_TASK = 64
_SCORES = ("status", "score", "p_value", "anomalous_area", "threshold")


def join_tables(
    *,
    images: Sequence[ImageParts],
    detectors: Sequence[str],
    regions: Sequence[Path],
    clusters: Sequence[Path],
    metrics: Sequence[Path],
    records: Sequence[Path],
    unread: Sequence[Mapping[str, Any]],
    output: Mapping[str, Path],
    job: Job,
    names: Path | None = None,
    verdicts: Path | None = None,
) -> None:
    """Join the parts of a run into the tables images, regions, clusters, metrics, runs, unread and region_kinds.

    Args:
        images: the parts of `images`, collection by collection.
        detectors: those that `images` has columns of, in their order.
        regions, clusters, metrics: parts of these tables; regions with their clusters.
        records: JSON records of all jobs.
        unread: the rows of `unread`.
        output: table name to Parquet file.
        names: CSV of `firstsight.clustering.names` with names that a person gave to clusters.
        verdicts: CSV of `firstsight.clustering.verdicts`; what it leaves out has no cluster, and its names hold against
            those of ``names``.

    Raises:
        FirstsightError: the names or the verdicts cannot be read.
    """
    said = read_verdicts(verdicts) if verdicts else []
    given = (read_names(names) if names else {}) | names_in(said)
    out = set().union(*(images_left_out(read_table(path), said) for path in regions)) if said else set()
    bound: dict[Cluster, str] = {}

    def named(rows: pandas.DataFrame) -> pandas.DataFrame:
        bound.update(bind_names(rows, given))
        return judge_clusters(rename_clusters(rows, bound), out)

    def named_regions(rows: pandas.DataFrame) -> pandas.DataFrame:
        return judge_regions(rename_clusters(rows, bound), said)

    with job.step("join"):
        write_blocks(output["images"], "images", _images(images, detectors, job), detectors=detectors)
        concatenate_tables("clusters", clusters, output["clusters"], named if given or said else None)
        if given:
            job.note(f"{len(bound)} clusters have one of the {len(given)} names given")
        if said:
            job.note(f"{len(said)} verdicts: {len(out)} images are left out of kinds")
        concatenate_tables("regions", regions, output["regions"], named_regions if bound or said else None)
        counted = count_region_kinds(output["clusters"], output["regions"])
        write_table(output["region_kinds"], "region_kinds", counted)
        concatenate_tables("metrics", metrics, output["metrics"])
        runs = pandas.DataFrame(list(chain.from_iterable(_in_batches(_read_records, records))))
        write_table(output["runs"], "runs", _sorted(runs, "runs"))
        table = pandas.DataFrame(list(unread), columns=SCHEMAS["unread"].names)
        write_table(output["unread"], "unread", _sorted(table, "unread"))
        for row in unread:
            job.note(f"{row['collection']}: {row['n_files']} files {row['suffix']} cannot be read: {row['advice']}")


def n_tasks(files: Sequence[Any]) -> int:
    """The tasks in which `join_tables` reads this many files."""
    return -(-len(files) // _FILES_PER_TASK)


def _in_batches(function: Callable[..., Any], *files: Sequence[Path]) -> tuple[Any, ...]:
    """The results of a function that tasks of dask call with some files at a time."""
    tasks = [
        delayed(function)(*([path.absolute() for path in paths[start : start + _FILES_PER_TASK]] for paths in files))
        for start in range(0, len(files[0]), _FILES_PER_TASK)
    ]
    results: tuple[Any, ...] = compute(*tasks)  # type: ignore[no-untyped-call]
    return results


def _read_records(paths: Sequence[Path]) -> list[dict[str, Any]]:
    # Records of earlier versions lack these.
    unknown = dict.fromkeys(("device_name", "fingerprint", "config", "machine", "says"))
    return [unknown | read_json(path) for path in paths]


def _images(images: Sequence[ImageParts], detectors: Sequence[str], job: Job) -> Iterator[pandas.DataFrame]:
    """The rows of one collection after the other."""
    for parts in sorted(images, key=lambda parts: parts.collection):
        rows = pandas.concat(_in_batches(read_images, parts.manifests, parts.truths), ignore_index=True)
        scores = {
            detector: list(chain.from_iterable(_in_batches(_read_scores, paths)))
            for detector, paths in parts.scores.items()
        }
        rows = with_copies(rows, copies_in(parts.contents))
        for line in remarks_on(rows):
            job.note(f"{parts.collection}: {line}")
        job.n_images += len(rows)
        yield _sorted(_with_scores(rows, detectors, scores), "images")


def _read_scores(paths: Sequence[Path]) -> list[dict[str, Any]]:
    return [row for path in paths for row in read_json(path)["rows"]]


def _sorted(rows: pandas.DataFrame, name: str) -> pandas.DataFrame:
    return rows.sort_values(list(SORT_KEYS[name]), kind="stable", ignore_index=True)


def _with_scores(
    images: pandas.DataFrame, detectors: Sequence[str], scores: Mapping[str, Sequence[Mapping[str, Any]]]
) -> pandas.DataFrame:
    """The rows of one collection with the columns of all detectors, null of those that did not run on it."""
    images = images.set_index("image", drop=False)
    for detector in detectors:
        rows = pandas.DataFrame(scores.get(detector, ()), columns=["image", *_SCORES]).set_index("image")
        table = rows.reindex(images.index)
        images[f"{detector}_score"] = table["score"].astype("Float32")
        images[f"{detector}_p_value"] = table["p_value"].astype("Float32")
        images[f"{detector}_q_value"] = _q_values(table["p_value"]).astype("Float32")
        images[f"{detector}_anomalous_area"] = table["anomalous_area"].astype("Int64")
        images[f"{detector}_threshold"] = table["threshold"].astype("Float32")
        refused = images["status"].eq("ok") & table["status"].notna() & table["status"].ne("ok")
        images.loc[refused, "status"] = table.loc[refused, "status"]
    return images.reset_index(drop=True)


def _q_values(p_values: pandas.Series) -> pandas.Series:
    """The smallest rate of false discoveries at which each image is called anomalous; null without a p-value.

    Benjamini and Hochberg, "Controlling the False Discovery Rate", JRSS B 1995.
    """
    known = p_values.dropna().astype(float)
    return pandas.Series(false_discovery_control(known), known.index, dtype="Float64").reindex(p_values.index)
