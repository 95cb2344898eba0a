"""Stage group_tables: the kinds of all groups with their names, how often each occurs where, and metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas

from firstsight.clustering.across import NORMAL_KIND
from firstsight.clustering.names import Image, read_names
from firstsight.clustering.verdicts import names_in, read_verdicts
from firstsight.errors import FirstsightError
from firstsight.evaluation.clustering import ari, matched_f1, nmi
from firstsight.stages.job import Job
from firstsight.storage.table_schemas import SCHEMAS
from firstsight.storage.tables import read_table, write_table

GROUP = ["group", "detector"]


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
    """Make the tables group_clusters, kinds_by_collection and group_metrics.

    Args:
        clusters: what `cluster_group` wrote for each group and detector.
        members: the collections of each group.
        images: the table `images`, which has the labels.
        output: table name to Parquet file.
        names, verdicts: CSV of `firstsight.clustering.names` and of `firstsight.clustering.verdicts`: a name given to
            an image of any collection holds in the whole group; that of verdicts holds against that of names.

    Raises:
        FirstsightError: there is no group; the names or the verdicts cannot be read.
    """
    if not clusters:
        raise FirstsightError("there is no group of collections: clustering.across names them")
    given = (read_names(names) if names else {}) | (names_in(read_verdicts(verdicts)) if verdicts else {})
    labels = read_table(images).set_index(["collection", "image"])["label"].dropna()
    parts = [name_kinds_of_group(read_table(path), given) for path in clusters]
    rows = pandas.concat(parts, ignore_index=True)
    write_table(output["group_clusters"], "group_clusters", rows)
    write_table(
        output["kinds_by_collection"],
        "kinds_by_collection",
        [row for part in parts if len(part) for row in kinds_by_collection(part, members[part["group"].iloc[0]])],
    )
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

    A kind is new in the first collection, in the order of the names, that has images of it.

    Args:
        rows: of the table `group_clusters`, at least one.
        collections: of the group.
    """
    whole = rows[rows["region"].isna()]
    counts = whole.groupby(["cluster", "collection"]).size()
    sizes = whole.groupby("collection").size()
    made = []
    for cluster, name in sorted(set(zip(whole["cluster"].tolist(), whole["cluster_name"].tolist(), strict=True))):
        seen = False
        for collection in sorted(collections):
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
    return made


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
