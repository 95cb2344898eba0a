"""Stage group_tables: the kinds of all groups with their names, how often each occurs where and when, and metrics."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray

from firstsight.clustering.across import NORMAL_KIND
from firstsight.clustering.names import Image, read_names
from firstsight.clustering.verdicts import names_in, read_verdicts
from firstsight.errors import FirstsightError
from firstsight.evaluation.clustering import ari, matched_f1, nmi
from firstsight.stages.job import Job
from firstsight.storage.table_schemas import SCHEMAS, SORT_KEYS
from firstsight.storage.tables import read_table, write_table

GROUP = ["group", "detector"]

UNITS = {"hour": "h", "day": "D", "month": "M", "year": "Y"}
"""How long periods may be, the shortest first, and what numpy calls them."""

MOST_PERIODS = 60


def join_groups(
    *,
    clusters: Sequence[Path],
    members: Mapping[str, Sequence[str]],
    images: Path,
    output: Mapping[str, Path],
    job: Job,
    names: Path | None = None,
    verdicts: Path | None = None,
) -> None:
    """Make the tables group_clusters, kinds_by_collection, kinds_by_time and group_metrics.

    Args:
        clusters: what `cluster_group` wrote for each group and detector.
        members: the collections of each group.
        images: the table `images`, which has labels and times.
        output: table name to Parquet file.
        names, verdicts: CSV of `firstsight.clustering.names` and of `firstsight.clustering.verdicts`: a name given to
            an image of any collection holds in the whole group; that of verdicts holds against that of names.

    Raises:
        FirstsightError: there is no group; the names or the verdicts cannot be read.
    """
    if not clusters:
        raise FirstsightError("there is no group of collections: clustering.across names them")
    given = (read_names(names) if names else {}) | (names_in(read_verdicts(verdicts)) if verdicts else {})
    known = read_table(images).set_index(["collection", "image"])
    labels, times = known["label"].dropna(), known["time"].dropna()
    parts = [name_kinds_of_group(read_table(path), given) for path in clusters]
    rows = pandas.concat(parts, ignore_index=True)
    write_table(output["group_clusters"], "group_clusters", rows)
    counted = [row for part in parts if len(part) for row in kinds_by_collection(part, _ordered(part, members, times))]
    write_table(output["kinds_by_collection"], "kinds_by_collection", counted)
    write_table(output["kinds_by_time"], "kinds_by_time", pandas.concat([kinds_by_time(part, times) for part in parts]))
    metrics = [row for part in parts for row in group_metrics(part, labels)]
    write_table(
        output["group_metrics"], "group_metrics", pandas.DataFrame(metrics, columns=SCHEMAS["group_metrics"].names)
    )
    job.n_images = int(rows["region"].isna().sum())


def name_kinds_of_group(rows: pandas.DataFrame, names: Mapping[Image, str]) -> pandas.DataFrame:
    """The rows of one group and detector with the names that a person gave to images of any of its collections.

    Of several named images of a kind, the one nearest to its centre gives the name.

    Args:
        rows: of the table `group_clusters`.
        names: of `read_names`.
    """
    whole = rows[rows["region"].isna() & rows["cluster"].gt(NORMAL_KIND)].sort_values(
        ["distance", "collection", "image"]
    )
    bound: dict[int, str] = {}
    for row in whole.to_dict("records"):
        name = names.get((row["collection"], row["detector"], row["image"]))
        if name is not None:
            bound.setdefault(row["cluster"], name)
    pairs = zip(rows["cluster"], rows["cluster_name"], strict=True)
    return rows.assign(
        cluster_name=pandas.Series([bound.get(number, name) for number, name in pairs], rows.index, object)
    )


def kinds_by_collection(rows: pandas.DataFrame, collections: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the table of that name for one group and detector: each kind in each collection.

    A kind is new in the first collection that has images of it.

    Args:
        rows: of the table `group_clusters`, at least one.
        collections: of the group, the earliest first.
    """
    whole = rows[rows["region"].isna()]
    counts = whole.groupby(["cluster", "collection"]).size()
    sizes = whole.groupby("collection").size()
    made = []
    for cluster, name in sorted(set(zip(whole["cluster"].tolist(), whole["cluster_name"].tolist(), strict=True))):
        seen = False
        for collection in collections:
            count = int(counts.get((cluster, collection), 0))
            made.append(
                {
                    **dict(rows.iloc[0][GROUP]),
                    "cluster": cluster,
                    "cluster_name": name,
                    "collection": collection,
                    "n_images": count,
                    "share": count / max(1, int(sizes.get(collection, 0))),
                    "is_new": count > 0 and not seen and cluster > NORMAL_KIND,
                }
            )
            seen |= count > 0
    return sorted(made, key=itemgetter(*SORT_KEYS["kinds_by_collection"]))


def in_order_of_time(collections: Sequence[str], times: pandas.Series) -> list[str]:
    """Collections in the order of their first times; where not all have times, in the order of their names.

    Args:
        collections: their names.
        times: of images, by collection and image.
    """
    first = times.groupby(level="collection").min()
    if set(collections) <= set(first.index):
        return sorted(collections, key=lambda name: (first[name], name))
    return sorted(collections)


def kinds_by_time(rows: pandas.DataFrame, times: pandas.Series) -> pandas.DataFrame:
    """Rows of the table of that name for one group and detector: each kind in each period of each collection.

    Periods are hours, days, months or years: the shortest of which the times span at most 60. A collection has rows of
    the periods from which it has images; an image without a time has no part in them.

    Args:
        rows: of the table `group_clusters`.
        times: by collection and image; those that are known.
    """
    columns = SCHEMAS["kinds_by_time"].names
    kinds = rows[["cluster", "cluster_name"]].drop_duplicates()
    whole = rows[rows["region"].isna()].set_index(["collection", "image"]).join(times.rename("time"), how="inner")
    if whole.empty:
        return pandas.DataFrame(columns=columns)
    taken = whole["time"].to_numpy("datetime64[us]")
    unit = next((name for name, code in UNITS.items() if _periods(taken, code) <= MOST_PERIODS), "year")
    whole = whole.reset_index().assign(period=taken.astype(f"datetime64[{UNITS[unit]}]").astype("datetime64[us]"))
    sizes = whole.groupby(["collection", "period"]).size().rename("images").reset_index()
    counts = whole.groupby(["cluster", "collection", "period"]).size().rename("n_images").reset_index()
    made = sizes.merge(kinds, how="cross").merge(counts, how="left", on=["cluster", "collection", "period"])
    made["n_images"] = made["n_images"].fillna(0).astype(np.int64)
    made = made.assign(**dict(rows.iloc[0][GROUP]), unit=unit, share=made["n_images"] / made["images"])
    return made[columns].sort_values(list(SORT_KEYS["kinds_by_time"]), ignore_index=True)


def _periods(times: NDArray[np.datetime64], code: str) -> int:
    periods = times.astype(f"datetime64[{code}]").astype(np.int64)
    return int(periods.max() - periods.min()) + 1


def _ordered(rows: pandas.DataFrame, members: Mapping[str, Sequence[str]], times: pandas.Series) -> list[str]:
    return in_order_of_time(members[rows["group"].iloc[0]], times)


def group_metrics(rows: pandas.DataFrame, labels: pandas.Series) -> list[dict[str, Any]]:
    """How well the kinds of one group and detector agree with labels, and how far they repeat the collections.

    ``nmi``, ``ari`` (0 where it is negative) and ``matched_f1`` count the images that have a label, where there are
    different ones; normal images are one cluster, those in no kind another. ``nmi_with_collection``, of the images that
    are in kinds, is near 0 where collections share kinds.

    Args:
        rows: of the table `group_clusters`.
        labels: by collection and image.
    """
    whole = rows[rows["region"].isna()].set_index(["collection", "image"])
    values: list[tuple[str, float, int]] = []
    both = whole.index.intersection(labels.index)
    true, found = labels.loc[both].tolist(), whole.loc[both, "cluster"].tolist()
    if len(set(true)) > 1:
        agreement = {"nmi": nmi(true, found), "ari": max(0.0, ari(true, found)), "matched_f1": matched_f1(true, found)}
        values += [(metric, value, len(both)) for metric, value in agreement.items()]
    kinds = whole[whole["cluster"].gt(NORMAL_KIND)]
    collections = kinds.index.get_level_values("collection").tolist()
    if len(set(collections)) > 1:
        values.append(("nmi_with_collection", nmi(collections, kinds["cluster"].tolist()), len(kinds)))
    return [
        {**dict(rows.iloc[0][GROUP]), "metric": metric, "value": value, "n_images": count}
        for metric, value, count in values
    ]
