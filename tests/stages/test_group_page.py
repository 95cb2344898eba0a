"""Stage group_page: from tables and drawings to the page of groups."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from firstsight.reports.overlays import Layers
from firstsight.reports.picture_files import picture_files
from firstsight.stages.group_page import make_group_page
from firstsight.stages.job import Job
from firstsight.storage.table_schemas import SCHEMAS
from firstsight.storage.tables import write_table

GROUP: dict[str, object] = {"group": "a+b", "detector": "fca"}
BOX: dict[str, object] = {"x": 3, "y": 4, "width": 5, "height": 6, "area": 20}
SCORES: dict[str, object] = {"score_max": 2.0, "score_mean": 1.0, "centroid_x": 5.0, "centroid_y": 7.0}


def test_the_page_shows_the_images_of_every_kind(tmp_path: Path) -> None:
    rows: dict[str, list[dict[str, object]]] = {
        "images": [
            {"collection": name, "image": image, "path": image, "status": "ok", "shard": "s", "width": 40, "height": 30}
            for name in "ab"
            for image in ("0.png", "1.png")
        ],
        "regions": [{"collection": "a", "image": "1.png", "detector": "fca", "region": 1, **BOX, **SCORES}],
        "group_clusters": [
            GROUP
            | {"collection": name, "image": f"{number}.png", "cluster": number, "is_medoid": False}
            | {"cluster_name": "hole" if number else "normal", "distance": 0.5}
            for name in "ab"
            for number in (0, 1)
        ],
        "kinds_by_collection": [
            GROUP
            | {"cluster": number, "cluster_name": "hole" if number else "normal", "collection": name}
            | {"n_images": 1, "share": 0.5, "is_new": bool(number) and name == "a"}
            for number in (0, 1)
            for name in "ab"
        ],
        "kinds_by_time": [
            GROUP
            | {"cluster": number, "cluster_name": "hole" if number else "normal", "collection": name, "unit": "month"}
            | {"period": datetime(2026, 3, 1, tzinfo=UTC).replace(tzinfo=None), "n_images": 1, "share": 0.5}
            for number in (0, 1)
            for name in "ab"
        ],
        "group_metrics": [{**GROUP, "metric": "nmi_with_collection", "value": 0.0, "n_images": 2}],
    }
    for name, own in rows.items():
        whole = [dict.fromkeys(SCHEMAS[name].names) | row for row in own]
        write_table(tmp_path / f"{name}.parquet", name, whole)
    for name in "ab":
        black = Image.new("RGB", (400, 300))
        with picture_files(tmp_path / name / "s") as files:
            files.add("1.png", Layers(black, black, Image.new("RGBA", black.size)))
    summary = {"textures": "different", "textures_from": "as the config says", "criterion": "1, for want of structure"}
    (tmp_path / "clusters.json").write_text(json.dumps(summary))
    overlays = {name: str(tmp_path / name) for name in "ab"}
    make_group_page(
        tables={name: tmp_path / f"{name}.parquet" for name in rows},
        groups=[{**GROUP, "summary": str(tmp_path / "clusters.json"), "overlays": overlays}],
        output=tmp_path / "groups",
        job=Job("rule", "", "", "", io.StringIO()),
    )
    text = (tmp_path / "groups/index.html").read_text()
    assert text.count("<img") == 2, "normal images are not shown"
    assert "<bdi>hole</bdi>" in text
    assert "Different textures" in text
    assert "(as the config says)" in text
    assert "Number of kinds: 1, for want of structure." in text
    assert ">2026-03</th>" in text
    assert "in the order of their first images" in text
    assert "near 0 where they are shared" in text
