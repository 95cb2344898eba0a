"""Results of a run that never was: its tables, and the maps that its images have."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from firstsight.plan.paths import paths_below
from firstsight.storage.geometry import Geometry
from firstsight.storage.store import ShardWriter
from firstsight.storage.table_schemas import SCHEMAS, images_schema
from firstsight.storage.tables import write_table

SHARD, FINGERPRINT, SIDE = "0123456789", "abcdef0123", 16


def write_results(results: Path, collections: dict[str, dict[str, list[int]]]) -> None:
    """Write the results of the detector ``fca``.

    Args:
        results: the folder.
        collections: for each its images, and for each image the clusters of its regions; the first is its own, too. The
            file ``gone.png`` was set aside.
    """
    paths = paths_below(results)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}
    for number, (collection, images) in enumerate(collections.items()):
        shard = paths.maps.format(collection=collection, detector=f"fca-{FINGERPRINT}", shard=SHARD)
        rows["runs"].append(
            {"collection": collection, "rule": "detect", "detector": "fca", "fingerprint": FINGERPRINT, "device": "cpu"}
            | {"n_images": len(images), "seconds": 1.0, "seconds_by_step": "{}", "versions": "{}", "shard": SHARD}
        )
        with ShardWriter(Path(shard), dtype="float32") as writer:
            for place, (image, clusters) in enumerate(images.items()):
                status = "no such file" if image == "gone.png" else "ok"
                names = {"collection": collection, "image": image, "detector": "fca"}
                rows["images"].append({**names, "path": image, "shard": SHARD, "status": status})
                for region, cluster in enumerate(clusters, start=1):
                    numbers = dict.fromkeys(("x", "y", "width", "height", "area"), 1)
                    scores = dict.fromkeys(("score_max", "score_mean", "centroid_x", "centroid_y"), 1.0)
                    rows["regions"].append({**names, "region": region, **numbers, **scores, "cluster": cluster})
                if status == "ok":
                    own = {"cluster": (clusters or [0])[0], "cluster_name": "", "is_medoid": False}
                    rows["clusters"].append({**names, **own, "n_clusters_from": "given", "support": None})
                cells = np.full((4, 4), 10 * number + place, np.float32)
                geometry = asdict(Geometry(SIDE, SIDE, SIDE, SIDE, 4, 1.5))
                attributes = {"image": image, "status": status, "geometry": geometry}
                writer.add(f"{place:05d}", image, {"map": cells} if status == "ok" else {}, attributes)
    for name, schema in SCHEMAS.items():
        columns = (images_schema(["fca"]) if name == "images" else schema).names
        whole = [{column: row.get(column) for column in columns} for row in rows[name]]
        write_table(Path(paths.table.format(table=name)), name, whole, ["fca"] if name == "images" else [])
