"""Stage group: the images of several collections, sorted into kinds that these have in common.

Descriptors are read shard by shard; of them, memory holds one shard and those that the kinds are fitted on.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas
from numpy.typing import NDArray

from firstsight.clustering.across import (
    LARGEST_SAME,
    NORMAL_KIND,
    Spread,
    against_normal,
    distances_to_kinds,
    support_of_kinds,
    texture_difference,
    units_from_zero,
)
from firstsight.clustering.kinds import FAR, NORMAL, OTHER, Kinds, fit_kinds
from firstsight.clustering.normal_cells import NormalCells, whitening
from firstsight.clustering.supported_kinds import Evidence, count_normal
from firstsight.clustering.ward import LARGEST_LINKAGE
from firstsight.plan.groups import GroupPart
from firstsight.stages.job import Job
from firstsight.storage.archives import read_arrays
from firstsight.storage.json import read_json, write_json
from firstsight.storage.table_schemas import SORT_KEYS
from firstsight.storage.tables import write_table

Textures = Literal["auto", "same", "different"]
Key = tuple[str, str, int]
"""Collection, image and region; region 0 is the whole image."""


class Described(NamedTuple):
    """Images of a shard and their regions: M together.

    keys: M of them.
    descriptors: (M, W, C), ready to be compared.
    """

    keys: list[Key]
    descriptors: NDArray[np.float64]


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
    scores = _read_scores(parts)
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


def _read_scores(parts: Sequence[GroupPart]) -> pandas.DataFrame:
    """What the decision says of every image with a map, and the rate of each decision."""
    frames = []
    for part in parts:
        for path in part.scores:
            content = read_json(path)
            rows = [row for row in content["rows"] if row["status"] == "ok"]
            frames.append(
                pandas.DataFrame(
                    {
                        "collection": part.collection,
                        "image": [row["image"] for row in rows],
                        "anomalous": [row["anomalous_area"] > 0 for row in rows],
                        "p_value": np.array([row["p_value"] for row in rows], np.float64),
                        "score": np.array([row["score"] for row in rows], np.float64),
                        "rate": np.full(len(rows), np.nan if content["rate"] is None else content["rate"]),
                    }
                )
            )
    scores = pandas.concat(frames, ignore_index=True)
    return scores.astype({"anomalous": bool}).sort_values(["collection", "image"]).set_index(["collection", "image"])


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


def _described(part: GroupPart, scores: pandas.DataFrame, differ: bool) -> Iterator[Described]:
    """The images of a collection that are sorted, and their regions, shard by shard.

    Those are all images where the texture is the same, and the anomalous ones where textures differ.
    """
    own = scores.loc[part.collection] if part.collection in scores.index.get_level_values(0) else scores.iloc[:0]
    sorted_images = set(own.index[own["anomalous"]] if differ else own.index)
    matrix = _whitening(part) if differ else None
    normal_files = part.normal_cells if differ else [None] * len(part.descriptors)
    for path, normal_file in zip(part.descriptors, normal_files, strict=True):
        images, values, of, numbers, regions = read_arrays(
            path, "image", "descriptor", "region_image", "region_number", "region_descriptor"
        )
        keys = [(part.collection, str(image), 0) for image in images]
        keys += [(part.collection, str(image), int(number)) for image, number in zip(of, numbers, strict=True)]
        chosen = np.array([image in sorted_images for _, image, _ in keys], bool)
        if not chosen.any():
            continue
        descriptors = np.concatenate([values, regions] if len(regions) else [values])[chosen].astype(np.float64)
        keys = [key for key, wanted in zip(keys, chosen, strict=True) if wanted]
        if normal_file is not None and matrix is not None:
            names, normal = read_arrays(normal_file, "image", "normal")
            place = {str(name): row for row, name in enumerate(names)}
            descriptors = against_normal(descriptors, normal[[place[image] for _, image, _ in keys]], matrix)
        yield Described(keys, descriptors)


def _whitening(part: GroupPart) -> NDArray[np.float64]:
    count, total = 0, np.zeros((0, 0))
    for path in sorted(part.normal_cells):
        number, scatter = read_arrays(path, "count", "scatter")
        if number > 0:
            total = scatter + (total if count else 0.0)
            count += int(number)
    return whitening(NormalCells(count, total))


def _fit(parts: Sequence[GroupPart], scores: pandas.DataFrame, differ: bool, largest: int) -> Found:
    keys, descriptors = _sample(parts, scores, differ, largest)
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
        is_kind = np.arange(clustering.n_clusters) != (FAR if kinds.normal is None else kinds.normal)
        numbers = np.where(is_kind, np.cumsum(is_kind), NORMAL_KIND)
        support = kinds.support
    else:
        kinds, clustering = fit_kinds(images, descriptors, normalisation=units_from_zero(descriptors))
        n_normal = None if rate is None else count_normal(scores["p_value"].to_numpy(np.float64))
        support, supported = support_of_kinds(clustering.cluster, p_values, n_normal)
        numbers = np.where(supported, np.cumsum(supported), FAR)
    fitted = dict(zip(keys, clustering.cluster.tolist(), strict=True))
    return Found(kinds, numbers.astype(np.int32), support, fitted, clustering.criterion)


def _sample(
    parts: Sequence[GroupPart], scores: pandas.DataFrame, differ: bool, largest: int
) -> tuple[list[Key], NDArray[np.float64]]:
    """The images that kinds are fitted on, in the order of their names, and their descriptors."""
    drawn: list[tuple[bytes, Key, NDArray[np.float32]]] = []
    for part in parts:
        for shard in _described(part, scores, differ):
            for key, row in zip(shard.keys, shard.descriptors.astype(np.float32), strict=True):
                if key[2] == 0:
                    drawn.append((sha256("\0".join(key[:2]).encode("utf-8", "backslashreplace")).digest(), key, row))
            if len(drawn) > 2 * largest:
                drawn = sorted(drawn, key=lambda each: each[0])[:largest]
    drawn = sorted(sorted(drawn, key=lambda each: each[0])[:largest], key=lambda each: each[1])
    return [key for _, key, _ in drawn], np.array([row for *_, row in drawn], np.float64)


def _rows(parts: Sequence[GroupPart], scores: pandas.DataFrame, differ: bool, found: Found) -> pandas.DataFrame:
    """The rows of the table, without the names of the group and the detector."""
    keys: list[Key] = []
    blocks = [np.zeros((0, len(found.numbers)))]
    for part in parts if found.kinds else ():
        assert found.kinds is not None
        for shard in _described(part, scores, differ):
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
