"""Stage tables: what all jobs of a run found, joined into the five tables.

Parts are read by tasks of dask, some files each; what is held at a time is one table of one collection, and the records
of the jobs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import pandas
from dask.base import compute
from dask.delayed import delayed

from firstsight.clustering.names import Cluster, bind_names, read_names, rename_clusters
from firstsight.stages.job import Job
from firstsight.storage.json import read_json
from firstsight.storage.stored_images import read_images
from firstsight.storage.table_schemas import SORT_KEYS
from firstsight.storage.tables import concatenate_tables, read_table, write_blocks, write_table

T = TypeVar("T")
_FILES_PER_TASK = 64
_SCORES = ("status", "score", "anomalous_area", "threshold")


def join_tables(
    *,
    manifests: Sequence[Path],
    truths: Sequence[Path],
    scores: Mapping[str, Sequence[Path]],
    regions: Sequence[Path],
    clusters: Sequence[Path],
    metrics: Sequence[Path],
    records: Sequence[Path],
    output: Mapping[str, Path],
    job: Job,
    names: Path | None = None,
) -> None:
    """Join the parts of a run into the tables images, regions, clusters, metrics and runs.

    Args:
        manifests, truths: parts of `images` as the manifest jobs wrote them, with labels and masks for each.
        scores: for each detector, the JSON score rows of all shards of all collections.
        regions, clusters, metrics: parts of these tables; regions with their clusters.
        records: JSON records of all jobs.
        output: table name to Parquet file.
        job: where time and counts are noted.
        names: CSV of `firstsight.clustering.names` with names that a person gave to clusters.

    Raises:
        FirstsightError: the names cannot be read.
    """
    given = read_names(names) if names else {}
    bound: dict[Cluster, str] = {}

    def named(rows: pandas.DataFrame) -> pandas.DataFrame:
        bound.update(bind_names(rows, given))
        return rename_clusters(rows, bound)

    with job.step("join"):
        write_blocks(output["images"], "images", _images(manifests, truths, scores, job), detectors=tuple(scores))
        concatenate_tables("clusters", clusters, output["clusters"], named if given else None)
        if given:
            job.note(f"{len(bound)} clusters have one of the {len(given)} names given")
        renamed = partial(rename_clusters, bound=bound) if bound else None
        concatenate_tables("regions", regions, output["regions"], renamed)
        concatenate_tables("metrics", metrics, output["metrics"])
        runs = pandas.DataFrame(list(chain.from_iterable(_in_batches(_read_records, records))))
        write_table(output["runs"], "runs", _sorted(runs, "runs"))


def n_tasks(files: Sequence[Any]) -> int:
    """The tasks in which `join_tables` reads this many files."""
    return -(-len(files) // _FILES_PER_TASK)


def _in_batches(function: Callable[..., Any], *files: Sequence[Path]) -> tuple[Any, ...]:
    """What a function gives for some files at a time, by tasks of dask."""
    tasks = [
        delayed(function)(*([path.absolute() for path in each[start : start + _FILES_PER_TASK]] for each in files))
        for start in range(0, len(files[0]), _FILES_PER_TASK)
    ]
    found: tuple[Any, ...] = compute(*tasks)  # type: ignore[no-untyped-call]
    return found


def _read_records(paths: Sequence[Path]) -> list[dict[str, Any]]:
    # Records of earlier versions have less.
    unknown = dict.fromkeys(("device_name", "fingerprint", "config", "machine"))
    return [unknown | read_json(path) for path in paths]


def _images(
    manifests: Sequence[Path], truths: Sequence[Path], scores: Mapping[str, Sequence[Path]], job: Job
) -> Iterator[pandas.DataFrame]:
    """The rows of one collection after the other."""
    holders = _by_collection(_in_batches(_collections_of_tables, manifests), list(zip(manifests, truths, strict=True)))
    scored = {
        detector: _by_collection(_in_batches(_collections_of_scores, paths), paths)
        for detector, paths in scores.items()
    }
    for collection in sorted(holders):
        both = list(zip(*holders[collection], strict=True))
        rows = pandas.concat(_in_batches(read_images, *both), ignore_index=True)
        found = {
            detector: list(chain.from_iterable(_in_batches(_read_scores, paths[collection])))
            for detector, paths in scored.items()
            if collection in paths
        }
        job.n_images += len(rows)
        yield _sorted(_with_scores(rows, tuple(scores), found), "images")


def _collections_of_tables(paths: Sequence[Path]) -> list[str | None]:
    """The collection of each part of `images`; None of one without rows."""
    return [next(iter(read_table(path)["collection"]), None) for path in paths]


def _collections_of_scores(paths: Sequence[Path]) -> list[str]:
    return [read_json(path)["collection"] for path in paths]


def _read_scores(paths: Sequence[Path]) -> list[dict[str, Any]]:
    return [row for path in paths for row in read_json(path)["rows"]]


def _by_collection(collections: Sequence[Sequence[str | None]], files: Sequence[T]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for collection, file in zip(chain.from_iterable(collections), files, strict=True):
        if collection is not None:
            found.setdefault(collection, []).append(file)
    return found


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
        images[f"{detector}_anomalous_area"] = table["anomalous_area"].astype("Int64")
        images[f"{detector}_threshold"] = table["threshold"].astype("Float32")
        refused = images["status"].eq("ok") & table["status"].notna() & table["status"].ne("ok")
        images.loc[refused, "status"] = table.loc[refused, "status"]
    return images.reset_index(drop=True)
