"""Stage group: the images of several collections, sorted into kinds that these have in common.

Descriptors are read shard by shard; of them, memory holds one shard and those that the kinds are fitted on.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas
from numpy.typing import NDArray

from firstsight.clustering.across import (
    LARGEST_SAME,
    NORMAL_KIND,
    Spread,
    distances_to_kinds,
    support_of_kinds,
    texture_difference,
    units_from_zero,
)
from firstsight.clustering.kinds import FAR, NORMAL, OTHER, Kinds, fit_kinds
from firstsight.clustering.supported_kinds import Evidence, count_normal
from firstsight.clustering.ward import LARGEST_LINKAGE
from firstsight.plan.groups import GroupPart
from firstsight.stages.group_descriptors import Key, described, read_scores, sample_images
from firstsight.stages.job import Job
from firstsight.storage.archives import read_arrays
from firstsight.storage.json import write_json
from firstsight.storage.table_schemas import SORT_KEYS
from firstsight.storage.tables import write_table

Textures = Literal["auto", "same", "different"]


class Found(NamedTuple):
    """The kinds of a group.

    Attributes:
        kinds: K of them; None: there is no image to sort.
        numbers: (K,) of the table: `NORMAL_KIND`, 1 and up, or `FAR` for a kind that false alarms explain.
        support: (K,).
        fitted: the kind, 0 .. K - 1 or `FAR`, of every image that they were fitted on.
        criterion: how their number came about, in words.
    """

    kinds: Kinds | None
    numbers: NDArray[np.int32]
    support: NDArray[np.float64]
    fitted: dict[Key, int]
    criterion: str


def cluster_group(
    *,
    parts: Sequence[GroupPart],
    group: str,
    detector: str,
    textures: Textures,
    output: Path,
    summary: Path,
    job: Job,
    largest_sample: int = LARGEST_LINKAGE,
) -> None:
    """Find the kinds of anomaly that the collections of a group have in common.

    Args:
        parts: the files of each collection; their order does not matter.
        group, detector: names for the table.
        textures: whether all show the same texture, or how that is found (`texture_difference`).
        output: Parquet table `group_clusters` to make.
        summary: JSON to make: n_clusters (of anomalies), n_outliers, criterion, textures ("same" or "different") and
            what that follows from (textures_from).
        largest_sample: images on which kinds are fitted; of more, a random sample is drawn by their names, and the
            others belong to the kind with the nearest centre.
    """
    parts = sorted(parts, key=lambda part: part.collection)
    scores = read_scores(parts)
    job.n_images = len(scores)
    with job.step("textures"):
        differ, says = _textures(parts, textures)
    job.note(f"{'different textures' if differ else 'the same texture'}: {says}")
    with job.step("cluster"):
        found = _fit(parts, scores, differ, largest_sample)
    with job.step("assign"):
        rows = _rows(parts, scores, differ, found)
    n_kinds = int(found.numbers.max(initial=0))
    outliers = int((rows["cluster"].eq(FAR) & rows["region"].isna()).sum())
    job.note(f"{n_kinds} kinds in {len(parts)} collections: {found.criterion}; {outliers} images in none")
    write_table(output, "group_clusters", rows.assign(group=group, detector=detector))
    write_json(
        summary,
        {
            "n_clusters": n_kinds,
            "n_outliers": outliers,
            "criterion": found.criterion,
            "textures": "different" if differ else "same",
            "textures_from": says,
        },
    )


def _textures(parts: Sequence[GroupPart], asked: Textures) -> tuple[bool, str]:
    """Whether the textures of a group differ, and what that follows from, in words."""
    if asked != "auto":
        return asked == "different", "as the config says"
    spreads = []
    for part in parts:
        normal = [read_arrays(path, "normal")[0] for path in part.normal_cells]
        normal = [rows for rows in normal if len(rows)]
        if normal:
            spreads.append(Spread.of(np.concatenate(normal)))
    share = texture_difference(spreads)
    bound = f"{100 * LARGEST_SAME:g} %"
    return share > LARGEST_SAME, (
        f"{100 * share:.0f} % of the variance of normal cells lies between collections, "
        f"{'more than' if share > LARGEST_SAME else 'at most'} {bound}"
    )


def _fit(parts: Sequence[GroupPart], scores: pandas.DataFrame, differ: bool, largest: int) -> Found:
    keys, descriptors = sample_images(parts, scores, differ, largest)
    if not keys:
        why = "no image is anomalous" if differ and len(scores) else "no image has a map"
        return Found(None, np.zeros(0, np.int32), np.zeros(0), {}, why)
    images = [f"{collection}/{image}" for collection, image, _ in keys]
    rows = scores.loc[[key[:2] for key in keys]]
    p_values = rows["p_value"].to_numpy(np.float64)
    rate = None if scores["rate"].isna().any() else float(scores["rate"].max())
    if not differ:
        evidence = Evidence(rows["anomalous"].to_numpy(bool), p_values, rows["score"].to_numpy(np.float64), rate)
        kinds, clustering = fit_kinds(images, descriptors, evidence=evidence)
        criterion = clustering.criterion
        is_kind = np.arange(clustering.n_clusters) != (FAR if kinds.normal is None else kinds.normal)
        numbers = np.where(is_kind, np.cumsum(is_kind), NORMAL_KIND)
        support = kinds.support
    else:
        kinds, clustering = fit_kinds(images, descriptors, normalisation=units_from_zero(descriptors))
        criterion = clustering.criterion
        n_normal = None if rate is None else count_normal(scores["p_value"].to_numpy(np.float64))
        support, supported = support_of_kinds(clustering.cluster, p_values, n_normal)
        numbers = np.where(supported, np.cumsum(supported), FAR)
        if not supported.all():
            criterion = f"{supported.sum()}, more than false alarms explain, of {len(supported)} groups: {criterion}"
    fitted = dict(zip(keys, clustering.cluster.tolist(), strict=True))
    return Found(kinds, numbers.astype(np.int32), support, fitted, criterion)


def _rows(parts: Sequence[GroupPart], scores: pandas.DataFrame, differ: bool, found: Found) -> pandas.DataFrame:
    """The rows of the table, without the names of the group and the detector."""
    keys: list[Key] = []
    blocks = [np.zeros((0, len(found.numbers)))]
    for part in parts if found.kinds else ():
        assert found.kinds is not None
        for shard in described(part, scores, differ):
            keys += shard.keys
            blocks.append(distances_to_kinds(found.kinds, shard.descriptors))
    rows = pandas.DataFrame(keys, columns=["collection", "image", "region"])
    if keys:
        rows = _with_kinds(rows, np.concatenate(blocks), keys, found)
    return _finished(scores, rows, found)


def _with_kinds(
    rows: pandas.DataFrame, distances: NDArray[np.float64], keys: list[Key], found: Found
) -> pandas.DataFrame:
    """The rows with cluster, distance and nearest (the kind that the distance is to, -1 where there is none)."""
    fitted = np.array(
        [found.fitted.get(key, nearest) for key, nearest in zip(keys, distances.argmin(axis=1), strict=True)]
    )
    cluster = np.append(found.numbers, np.int32(FAR))[fitted]
    is_region = rows["region"].gt(0).to_numpy(bool)
    # What belongs to no kind is near to one all the same; no region is normal.
    kept = np.where(found.numbers == FAR, np.inf, 0.0)
    of_anomaly = np.where(found.numbers > NORMAL_KIND, 0.0, np.inf)
    distances = distances + np.where(is_region[:, None], of_anomaly, kept)
    nearest = distances.argmin(axis=1)
    stays = ~is_region & (cluster != FAR)
    nearest = np.where(stays, fitted, nearest)
    distance = distances[np.arange(len(keys)), nearest]
    of_region = np.where(np.isinf(distance), FAR, found.numbers[nearest])
    of_image = rows.assign(cluster=cluster)[~is_region].set_index(["collection", "image"])["cluster"]
    none = of_image.loc[list(zip(rows["collection"], rows["image"], strict=True))].to_numpy() == FAR
    return rows.assign(
        cluster=np.where(is_region, np.where(none, FAR, of_region), cluster).astype(np.int32),
        distance=np.where(np.isinf(distance), np.nan, distance),
        nearest=np.where(np.isinf(distance), FAR, nearest),
    )


def _finished(scores: pandas.DataFrame, rows: pandas.DataFrame, found: Found) -> pandas.DataFrame:
    """All images, with names, support and medoids."""
    if found.kinds is not None:
        medoids = [tuple(medoid.split("/", 1)) for medoid in found.kinds.medoids] + [(None, None)]
        nearest = [medoids[number] for number in rows["nearest"]]
        by_number = dict(zip(found.numbers.tolist(), found.support.tolist(), strict=True)) | {FAR: np.nan}
        rows = rows.assign(
            support=rows["cluster"].map(by_number),
            medoid_collection=pandas.Series([collection for collection, _ in nearest], dtype=object),
            medoid=pandas.Series([image for _, image in nearest], dtype=object),
        )
        is_medoid = rows["collection"].eq(rows["medoid_collection"]) & rows["image"].eq(rows["medoid"])
        rows["is_medoid"] = is_medoid & rows["region"].eq(0) & rows["cluster"].ge(NORMAL_KIND)
    known = set(zip(rows["collection"], rows["image"], strict=True))
    others = scores[np.array([key not in known for key in scores.index], bool)]
    # An anomalous image that was not sorted has a map, but no features.
    number = np.where(others["anomalous"], FAR, NORMAL_KIND)
    nothing = dict.fromkeys(("support", "distance", "medoid_collection", "medoid"))
    rest = others.index.to_frame(index=False).assign(region=0, cluster=number, is_medoid=False, **nothing)
    rows = pandas.concat([rows.drop(columns="nearest", errors="ignore").astype(object), rest.astype(object)])
    rows = rows.sort_values(list(SORT_KEYS["group_clusters"][2:]), ignore_index=True)
    rows["cluster_name"] = pandas.Series([_name(int(number)) for number in rows["cluster"]], dtype=object)
    rows = rows.astype({"region": "Int32", "cluster": "int32", "distance": "float32", "support": "float32"})
    rows["is_medoid"] = rows["is_medoid"].astype(bool)
    return rows.assign(region=rows["region"].where(rows["region"].gt(0)))


def _name(number: int) -> str:
    return NORMAL if number == NORMAL_KIND else OTHER if number == FAR else f"cluster {number}"
