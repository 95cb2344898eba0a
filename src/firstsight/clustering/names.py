"""Names that a person gives to kinds of anomaly, in a CSV file that a spreadsheet can edit.

A line names the kind that holds a certain image, so names survive a run that numbers the clusters differently.
"""

import csv
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas

from firstsight.clustering.kinds import Kinds
from firstsight.errors import FirstsightError
from firstsight.storage.edited_csv import escaped, read_edited, unescaped
from firstsight.storage.replacing import replace_file

REQUIRED = ("collection", "detector", "medoid", "name")
WRITTEN = ("collection", "detector", "cluster", "current_name", "size", "medoid", "name")
LONGEST_NAME = 80

Image = tuple[str, str, str]
"""Collection, detector and image."""

Cluster = tuple[str, str, int]
"""Collection, detector and number of a cluster."""


def read_names(path: Path) -> dict[Image, str]:
    """Read the names of kinds.

    The file is CSV in UTF-8 with a line of column names, separated by commas, semicolons or tabs. The columns
    collection, detector, medoid (any image of the kind) and name are needed; others are ignored. A line without a name
    names nothing.

    Raises:
        FirstsightError: the file cannot be read or is not UTF-8; a column is missing; a line has no collection,
            detector or medoid; an image has two names; a name is longer than 80 characters or holds a control
            character.
    """
    names: dict[Image, str] = {}
    reader = read_edited(path, f"names of clusters: {path}")
    try:
        columns = [(column or "").strip() for column in reader.fieldnames or []]
        missing = [column for column in REQUIRED if column not in columns]
        if missing:
            raise FirstsightError(f"names of clusters: {path} has no column {missing[0]!r}")
        reader.fieldnames = columns
        for row in reader:
            where = f"names of clusters: {path}, line {reader.line_num}"
            collection, detector, medoid = (unescaped(row[column] or "") for column in REQUIRED[:3])
            name = _checked_name(unescaped(row["name"] or "").strip(), where)
            if not name:
                continue
            if not (collection and detector and medoid):
                raise FirstsightError(f"{where}: {name!r} has no collection, detector or medoid")
            if names.setdefault((collection, detector, medoid), name) != name:
                other = names[collection, detector, medoid]
                raise FirstsightError(f"{where}: {medoid!r} is named {name!r}, but {other!r} before")
    except csv.Error as error:
        raise FirstsightError(f"names of clusters: {path} cannot be read ({error})") from error
    return names


def bind_names(clusters: pandas.DataFrame, names: Mapping[Image, str]) -> dict[Cluster, str]:
    """Find the clusters that hold the named images.

    Where a cluster holds several, the one nearest to its centre gives the name (the medoid is the nearest of all);
    among equals, the first in the alphabet. An outlier, or an image that is in no cluster, names nothing.

    Args:
        clusters: rows of the table `clusters`.
        names: of `read_names`.
    """
    keys = ["collection", "detector", "image"]
    rows = clusters[clusters["cluster"].ge(0)].sort_values(["distance", "image"])
    bound: dict[Cluster, str] = {}
    for image, number in zip(rows[keys].itertuples(index=False, name=None), rows["cluster"], strict=True):
        if image in names:
            bound.setdefault((image[0], image[1], int(number)), names[image])
    return bound


def rename_clusters(rows: pandas.DataFrame, bound: Mapping[Cluster, str]) -> pandas.DataFrame:
    """A copy of the rows with `cluster_name` set wherever the cluster has a name.

    Args:
        rows: with the columns collection, detector, cluster (may be missing) and cluster_name.
        bound: of `bind_names`.
    """
    renamed = rows.copy()
    places = zip(rows["collection"], rows["detector"], rows["cluster"], rows["cluster_name"], strict=True)
    renamed["cluster_name"] = pandas.Series(
        [
            default if pandas.isna(number) else bound.get((collection, detector, int(number)), default)
            for collection, detector, number, default in places
        ],
        index=rows.index,
        dtype=rows["cluster_name"].dtype,
    )
    return renamed


def apply_names(clusters: pandas.DataFrame, names: Mapping[Image, str]) -> pandas.DataFrame:
    """A copy of rows of the table `clusters`, with the names that a person gave."""
    return rename_clusters(clusters, bind_names(clusters, names))


def name_kinds(kinds: Kinds, names: Mapping[Image, str]) -> Kinds:
    """Kinds with the names that a person gave, which later images get too."""
    columns = {"image": kinds.images, "cluster": kinds.cluster, "distance": kinds.distance}
    bound = bind_names(pandas.DataFrame(columns).assign(collection=kinds.collection, detector=kinds.detector), names)
    place = (kinds.collection, kinds.detector)
    return replace(kinds, names=tuple(bound.get((*place, number), name) for number, name in enumerate(kinds.names)))


def write_names(path: Path, clusters: pandas.DataFrame, groups: pandas.DataFrame | None = None) -> None:
    """Write a file to edit, a line for each cluster, with the names that the file at ``path`` already gives.

    The kinds of groups of collections have lines with the name of the group, but for those whose middle image has a
    line already: its name holds for both. Lines of the file that no longer name a cluster come last, so that nothing a
    person wrote is lost. Text that a spreadsheet would take for a formula gets an apostrophe in front, which
    `read_names` removes again.

    Args:
        path: the CSV file (`replace_file`).
        clusters: rows of the table `clusters`; whether the names of the file are in them already does not matter.
        groups: rows of the table `group_clusters`; None: there are no groups.

    Raises:
        FirstsightError: `read_names` refuses the file that is there.
    """
    names = read_names(path) if path.exists() else {}
    bound = bind_names(clusters, names)
    images = zip(*(clusters[column] for column in ("collection", "detector", "image")), strict=True)
    numbers = dict(zip(images, clusters["cluster"], strict=True))
    lines = [
        {**line, "name": bound.get((line["collection"], line["detector"], int(line["cluster"])), "")}
        for line in _medoids(clusters, ["collection", "detector", "cluster"])
    ]
    listed = {_image_of(line) for line in lines}
    if groups is not None:
        kinds = groups[groups["region"].isna() & groups["cluster"].gt(0)]
        of_groups = _medoids(kinds, ["group", "detector", "cluster"])
        lines += [
            {**line, "name": names.get(_image_of(line), "")} for line in of_groups if _image_of(line) not in listed
        ]
        listed |= {_image_of(line) for line in lines if line["name"]}
    for image, name in names.items():
        place = (*image[:2], int(numbers.get(image, -1)))
        if bound.get(place) != name and image not in listed:
            lines.append(dict(zip(REQUIRED, (*image, name), strict=True)))
    columns = WRITTEN if groups is None else ("group", *WRITTEN)

    def write(beside: Path) -> None:
        # With the mark by which Excel recognises UTF-8.
        with beside.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows([escaped(line.get(column, "")) for column in columns] for line in lines)

    replace_file(path, write)


def _medoids(rows: pandas.DataFrame, kind: list[str]) -> list[dict[str, str]]:
    """A line without a name for each kind: of the image in its middle."""
    sizes = rows.groupby(kind).size()
    return [
        {
            **{column: str(row[column]) for column in dict.fromkeys((*kind, "collection"))},
            "current_name": str(row["cluster_name"]),
            "size": str(sizes[tuple(row[column] for column in kind)]),
            "medoid": str(row["image"]),
        }
        for row in rows[rows["is_medoid"]].sort_values(kind).to_dict("records")
    ]


def _image_of(line: Mapping[str, str]) -> Image:
    return line["collection"], line["detector"], line["medoid"]


def _checked_name(name: str, where: str) -> str:
    if len(name) > LONGEST_NAME:
        raise FirstsightError(
            f"{where}: the name {name[:20]!r}... has {len(name)} characters, at most {LONGEST_NAME} can be"
        )
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        raise FirstsightError(f"{where}: the name {name!r} holds a line break or another control character")
    return name
