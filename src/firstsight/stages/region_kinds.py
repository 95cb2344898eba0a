"""Which kinds of regions make which kinds of images."""

from pathlib import Path

import pandas

from firstsight.storage.table_schemas import SORT_KEYS
from firstsight.storage.tables import read_table

_IMAGE = ["collection", "detector", "image"]


def count_region_kinds(clusters: Path, regions: Path) -> pandas.DataFrame:
    """Rows of the table `region_kinds`: for each kind of images and each kind of their regions, how many there are.

    Args:
        clusters, regions: the tables of a run. Images and regions without a cluster do not count.
    """
    of_images = read_table(clusters)[[*_IMAGE, "cluster", "cluster_name"]]
    of_regions = read_table(regions)[[*_IMAGE, "cluster", "cluster_name", "area"]]
    of_regions = of_regions.rename(columns={"cluster": "region_cluster", "cluster_name": "region_cluster_name"})
    pairs = of_regions.merge(of_images, on=_IMAGE).dropna(subset=["cluster", "region_cluster"])
    pairs = pairs.astype({"cluster": "int32", "region_cluster": "int32"})
    names = ["cluster_name", "region_cluster_name"]
    keys = list(SORT_KEYS["region_kinds"])
    counted = pairs.groupby([*keys, *names], sort=False).agg(
        n_regions=("area", "size"), n_images=("image", "nunique"), area=("area", "sum")
    )
    return counted.reset_index().sort_values([*keys, *names], ignore_index=True)
