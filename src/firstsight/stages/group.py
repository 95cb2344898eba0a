"""Stage group: the anomalies of several collections, sorted into kinds that these have in common.

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
    SharedKinds,
    Spread,
    against_normal,
    fit_shared_kinds,
    support_of_kinds,
    texture_difference,
)
from firstsight.clustering.kinds import FAR, NORMAL, OTHER
from firstsight.clustering.normal_cells import NormalCells, whitening
from firstsight.clustering.supported_kinds import count_normal
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


class ShardAnomalies(NamedTuple):
    """The anomalous images of a shard, and their regions: M together.

    keys: M of them.
    descriptors: (M, W, C), ready to be compared.
    """

    keys: list[Key]
    descriptors: NDArray[np.float64]


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
        summary: JSON to make: n_clusters, n_outliers, criterion, textures ("same" or "different") and what that
            follows from (textures_from).
        largest_sample: anomalous images on which kinds are fitted; of more, a random sample is drawn by their names,
            and the others belong to the kind with the nearest centre.
    """
    parts = sorted(parts, key=lambda part: part.collection)
    scores = _read_scores(parts)
    job.n_images = len(scores)
    with job.step("textures"):
        differ, says = _textures(parts, textures)
    job.note(f"{'different textures' if differ else 'the same texture'}: {says}")
    with job.step("cluster"):
        kinds, fitted = _fit(parts, scores, differ, largest_sample)
    with job.step("assign"):
        rows = _rows(parts, scores, differ, kinds, fitted)
    n_kinds = int(rows["cluster"].max()) if len(rows) else 0
    outliers = int((rows["cluster"].eq(FAR) & rows["region"].isna()).sum()) if len(rows) else 0
    job.note(f"{n_kinds} kinds in {len(parts)} collections: {kinds.criterion}; {outliers} images in none")
    write_table(output, "group_clusters", rows.assign(group=group, detector=detector))
    write_json(
        summary,
        {
            "n_clusters": n_kinds,
            "n_outliers": outliers,
            "criterion": kinds.criterion,
            "textures": "different" if differ else "same",
            "textures_from": says,
        },
    )


def _read_scores(parts: Sequence[GroupPart]) -> pandas.DataFrame:
    """Of every image with a map: whether it is anomalous, its p-value, and the rate of its collection's decision."""
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


def _anomalies(part: GroupPart, anomalous: set[str], differ: bool) -> Iterator[ShardAnomalies]:
    """The anomalous images of a collection and their regions, shard by shard."""
    matrix = _whitening(part) if differ else None
    normal_files = part.normal_cells if differ else [None] * len(part.descriptors)
    for path, normal_file in zip(part.descriptors, normal_files, strict=True):
        images, values, of, numbers, regions = read_arrays(
            path, "image", "descriptor", "region_image", "region_number", "region_descriptor"
        )
        keys = [(part.collection, str(image), 0) for image in images]
        keys += [(part.collection, str(image), int(number)) for image, number in zip(of, numbers, strict=True)]
        chosen = np.array([image in anomalous for _, image, _ in keys], bool)
        if not chosen.any():
            continue
        descriptors = np.concatenate([values, regions] if len(regions) else [values])[chosen].astype(np.float64)
        keys = [key for key, wanted in zip(keys, chosen, strict=True) if wanted]
        if normal_file is not None and matrix is not None:
            names, normal = read_arrays(normal_file, "image", "normal")
            place = {str(name): row for row, name in enumerate(names)}
            descriptors = against_normal(descriptors, normal[[place[image] for _, image, _ in keys]], matrix)
        yield ShardAnomalies(keys, descriptors)


def _whitening(part: GroupPart) -> NDArray[np.float64]:
    count, total = 0, np.zeros((0, 0))
    for path in sorted(part.normal_cells):
        number, scatter = read_arrays(path, "count", "scatter")
        if number > 0:
            total = scatter + (total if count else 0.0)
            count += int(number)
    return whitening(NormalCells(count, total))


def _anomalous_in(scores: pandas.DataFrame, part: GroupPart) -> set[str]:
    if part.collection not in scores.index.get_level_values("collection"):
        return set()
    own = scores.loc[part.collection]
    return set(own.index[own["anomalous"]])


def _fit(
    parts: Sequence[GroupPart], scores: pandas.DataFrame, differ: bool, largest: int
) -> tuple[SharedKinds, dict[Key, int]]:
    """The kinds, and the number of every image that they were fitted on."""
    drawn: list[tuple[bytes, Key, NDArray[np.float32]]] = []
    for part in parts:
        for shard in _anomalies(part, _anomalous_in(scores, part), differ):
            for key, row in zip(shard.keys, shard.descriptors.astype(np.float32), strict=True):
                if key[2] == 0:
                    drawn.append((sha256("\0".join(key[:2]).encode("utf-8", "backslashreplace")).digest(), key, row))
            if len(drawn) > 2 * largest:
                drawn = sorted(drawn, key=lambda each: each[0])[:largest]
    drawn = sorted(sorted(drawn, key=lambda each: each[0])[:largest], key=lambda each: each[1])
    descriptors = np.array([row for *_, row in drawn]) if drawn else np.zeros((0, 0, 0))
    kinds, number = fit_shared_kinds(descriptors, from_normal=differ)
    return kinds, {key: int(own) for (_, key, _), own in zip(drawn, number, strict=True)}


def _rows(
    parts: Sequence[GroupPart], scores: pandas.DataFrame, differ: bool, kinds: SharedKinds, fitted: dict[Key, int]
) -> pandas.DataFrame:
    """The rows of the table, without the names of the group and the detector."""
    keys: list[Key] = []
    blocks = [np.zeros((0, len(kinds.centres)))]
    for part in parts:
        for shard in _anomalies(part, _anomalous_in(scores, part), differ):
            keys += shard.keys
            blocks.append(kinds.distances(shard.descriptors))
    distances = np.concatenate(blocks)
    found = pandas.DataFrame(keys, columns=["collection", "image", "region"])
    nearest = distances.argmin(axis=1) + 1 if distances.size else np.full(len(keys), FAR)
    number = np.array([fitted.get(key, own) for key, own in zip(keys, nearest, strict=True)], np.int32)
    support, supported, renumbered = _supported(scores, found, number, len(kinds.centres))
    # What belongs to no supported kind is near to one all the same.
    distances = distances[:, supported]
    closest = distances.argmin(axis=1) + 1 if distances.size else np.full(len(keys), FAR)
    in_kind = renumbered[number]
    own = np.where(in_kind == FAR, closest, in_kind)
    found["cluster"] = in_kind
    found["distance"] = distances[np.arange(len(keys)), own - 1] if distances.size else np.nan
    found["nearest"] = own
    found = _with_regions_of_kinds(found, closest)
    return _finished(scores, found, support[supported])


def _supported(
    scores: pandas.DataFrame, found: pandas.DataFrame, number: NDArray[np.int32], n_kinds: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int32]]:
    """Support of each kind, which are supported, and for each old number, `FAR` (the last) among them, the new one."""
    whole = found["region"].eq(0).to_numpy(bool)
    index = pandas.MultiIndex.from_frame(found.loc[whole, ["collection", "image"]])
    p_values = scores["p_value"].reindex(index).to_numpy(np.float64)
    asked = len(scores) > 0 and not scores["rate"].isna().any()
    n_normal = count_normal(scores["p_value"].to_numpy(np.float64)) if asked else None
    support, supported = support_of_kinds(number[whole], p_values, n_kinds, n_normal)
    renumbered = np.full(n_kinds + 2, FAR, np.int32)
    renumbered[1:-1] = np.where(supported, np.cumsum(supported), FAR)
    return support, supported, renumbered


def _with_regions_of_kinds(found: pandas.DataFrame, closest: NDArray[np.int64]) -> pandas.DataFrame:
    """A region is of the kind that is nearest to it, but of none where its image is of none."""
    images = found[found["region"].eq(0)].set_index(["collection", "image"])["cluster"]
    of_image = images.reindex(pandas.MultiIndex.from_frame(found[["collection", "image"]])).to_numpy()
    of_region = np.where(of_image == FAR, FAR, closest)
    return found.assign(cluster=np.where(found["region"].gt(0), of_region, found["cluster"]).astype(np.int32))


def _finished(scores: pandas.DataFrame, found: pandas.DataFrame, support: NDArray[np.float64]) -> pandas.DataFrame:
    """All images, with names, support and medoids."""
    whole = found[found["region"].eq(0) & found["cluster"].gt(0)]
    middle = whole.sort_values(["distance", "collection", "image"]).drop_duplicates("cluster").set_index("cluster")
    medoids = middle.reindex(found["nearest"])
    found = found.assign(
        support=np.append(support, np.nan)[np.where(found["cluster"] > 0, found["cluster"] - 1, -1)],
        medoid_collection=medoids["collection"].to_numpy(object),
        medoid=medoids["image"].to_numpy(object),
    )
    found["is_medoid"] = (
        found["region"].eq(0)
        & found["cluster"].gt(0)
        & found["collection"].eq(found["medoid_collection"])
        & found["image"].eq(found["medoid"])
    )
    described = pandas.MultiIndex.from_frame(found[["collection", "image"]])
    others = scores[~scores["anomalous"] | ~scores.index.isin(described)]
    # An anomalous image without a descriptor has a map, but no features.
    number = np.where(others["anomalous"], FAR, NORMAL_KIND)
    nothing = dict.fromkeys(("support", "distance", "medoid_collection", "medoid"))
    normal = others.index.to_frame(index=False).assign(region=0, cluster=number, is_medoid=False, **nothing)
    rows = pandas.concat([found.drop(columns="nearest").astype(object), normal.astype(object)], ignore_index=True)
    rows["cluster_name"] = pandas.Series([_name(int(number)) for number in rows["cluster"]], dtype=object)
    rows = rows.sort_values(list(SORT_KEYS["group_clusters"][2:]), ignore_index=True)
    rows = rows.astype({"region": "Int32", "cluster": "int32", "distance": "float32", "support": "float32"})
    rows["is_medoid"] = rows["is_medoid"].astype(bool)
    return rows.assign(region=rows["region"].where(rows["region"].gt(0)))


def _name(number: int) -> str:
    return NORMAL if number == NORMAL_KIND else OTHER if number == FAR else f"cluster {number}"
