"""Stage tables: what all jobs of a run found, joined into the five tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas

from firstsight.clustering.names import bind_names, read_names, rename_clusters
from firstsight.reports.tables import SORT_KEYS, concatenate_tables, read_table, write_table
from firstsight.stages.job import Job, read_json
from firstsight.stages.shards import read_images


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
    with job.step("join"):
        images = _with_scores(read_images(manifests, truths), scores)
        write_table(output["images"], "images", _sorted(images, "images"), detectors=tuple(scores))
        for name, parts in (("clusters", clusters), ("regions", regions)):
            concatenate_tables(name, parts, output[name])
        if given:
            found = read_table(output["clusters"])
            bound = bind_names(found, given)
            job.note(f"{len(bound)} clusters have one of the {len(given)} names given")
            write_table(output["clusters"], "clusters", rename_clusters(found, bound))
            write_table(output["regions"], "regions", rename_clusters(read_table(output["regions"]), bound))
        concatenate_tables("metrics", metrics, output["metrics"])
        # Records of earlier versions have less.
        unknown = dict.fromkeys(("device_name", "fingerprint", "config", "machine"))
        runs = pandas.DataFrame([unknown | read_json(path) for path in records])
        write_table(output["runs"], "runs", _sorted(runs, "runs"))
    job.n_images = len(images)


def _sorted(rows: pandas.DataFrame, name: str) -> pandas.DataFrame:
    return rows.sort_values(list(SORT_KEYS[name]), kind="stable", ignore_index=True)


def _with_scores(images: pandas.DataFrame, scores: Mapping[str, Sequence[Path]]) -> pandas.DataFrame:
    images = images.set_index(["collection", "image"])
    for detector, paths in scores.items():
        rows: list[dict[str, Any]] = []
        for path in paths:
            found = read_json(path)
            rows += [{"collection": found["collection"], **row} for row in found["rows"]]
        table = pandas.DataFrame(rows).set_index(["collection", "image"]).reindex(images.index)
        images[f"{detector}_score"] = table["score"].astype("Float32")
        images[f"{detector}_anomalous_area"] = table["anomalous_area"].astype("Int64")
        images[f"{detector}_threshold"] = table["threshold"].astype("Float32")
        refused = images["status"].eq("ok") & table["status"].notna() & table["status"].ne("ok")
        images.loc[refused, "status"] = table.loc[refused, "status"]
    return images.reset_index()
