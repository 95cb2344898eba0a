"""Stage group_page: the kinds that collections have in common, on a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firstsight import __version__
from firstsight.clustering.across import NORMAL_KIND
from firstsight.reports.group_page import GroupReport, chosen_images, shown_image, write_group_page
from firstsight.stages.job import Job
from firstsight.storage.json import read_json
from firstsight.storage.tables import read_table


def make_group_page(
    *,
    tables: Mapping[str, Path],
    groups: Sequence[Mapping[str, Any]],
    output: Path,
    job: Job,
) -> None:
    """Write the page of groups: a folder beside the page of the run.

    Args:
        tables: the tables images, regions, group_clusters, kinds_by_collection, kinds_by_time and group_metrics.
        groups: for each group and detector ``group``, ``detector`` (their names), ``summary`` (JSON of
            `cluster_group`) and ``overlays``: the folder of overlays of each collection.
        output: the folder to make.
    """
    read = {name: read_table(path) for name, path in tables.items()}
    images = read["images"].set_index(["collection", "image"], drop=False)
    reports = []
    with job.step("page"):
        for group in groups:
            own = {
                name: table[table["group"].eq(group["group"]) & table["detector"].eq(group["detector"])]
                for name, table in read.items()
                if "group" in table
            }
            regions = read["regions"][read["regions"]["detector"].eq(group["detector"])]
            strongest = regions.sort_values(["score_max", "region"], ascending=[False, True], kind="stable")
            strongest = strongest.drop_duplicates(["collection", "image"]).set_index(["collection", "image"])
            kinds = own["group_clusters"]
            kinds = kinds[kinds["region"].isna() & kinds["cluster"].gt(NORMAL_KIND)]
            gallery = {}
            for number, rows in kinds.groupby("cluster"):
                keys = chosen_images(rows)[["collection", "image"]].itertuples(index=False, name=None)
                gallery[int(str(number))] = tuple(
                    shown_image(
                        images.loc[key].to_dict(),
                        strongest.loc[key].to_dict() if key in strongest.index else None,
                        Path(group["overlays"][key[0]]),
                    )
                    for key in keys
                )
            reports.append(
                GroupReport(
                    group["group"],
                    group["detector"],
                    _says(read_json(Path(group["summary"]))),
                    own["kinds_by_collection"],
                    own["kinds_by_time"],
                    own["group_metrics"],
                    gallery,
                )
            )
        write_group_page(output, reports, __version__)
    job.n_images = len(read["images"])


def _says(summary: Mapping[str, Any]) -> tuple[str, ...]:
    if summary["textures"] == "same":
        textures = "The same texture: anomalies are compared as they are"
    else:
        textures = "Different textures: anomalies are compared by how they differ from what is normal around them"
    return f"{textures} ({summary['textures_from']}).", f"Number of kinds: {summary['criterion']}."
