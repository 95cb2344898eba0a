"""Stage ablation: metrics and seconds of methods, as a table and as text."""

import json
from pathlib import Path

import pandas
import pytest

from firstsight.stages.ablation import METRICS, AblationRow, write_ablation
from firstsight.stages.job import Job
from firstsight.storage.tables import write_table


def row(folder: Path, method: str, values: dict[str, float], *seconds: float, contrastive: bool = False) -> AblationRow:
    path = folder / f"{method}-{contrastive}"
    path.mkdir()
    names = {"collection": "pile", "detector": method, "n_images": 3, "n_regions": 2, "settings_fingerprint": "f"}
    rows = [{**names, "metric": metric, "value": value, "crop": 0.0} for metric, value in values.items()]
    rows += [{**names, "metric": "pro", "value": 0.99, "crop": 0.1}]
    write_table(path / "metrics.parquet", "metrics", rows)
    (path / "clusters.json").write_text(json.dumps({"n_clusters": 4}))
    records = []
    for number, spent in enumerate(seconds):
        records.append(path / f"{number}.run.json")
        records[-1].write_text(json.dumps({"seconds": spent}))
    return AblationRow("pile", method, contrastive, path / "metrics.parquet", path / "clusters.json", tuple(records))


def test_rows_hold_whole_frame_metrics_and_the_sum_of_seconds(tmp_path: Path, job: Job) -> None:
    rows = [
        row(tmp_path, "only_fca", {"pro": 0.7, "nmi": 0.25, "nmi_oracle": 0.5}, 2.0, 3.25),
        row(tmp_path, "only_fca", {"pro": 0.7}, 8.0, contrastive=True),
    ]
    write_ablation(rows=rows, table=tmp_path / "a.parquet", markdown=tmp_path / "a.md", job=job)
    table = pandas.read_parquet(tmp_path / "a.parquet")
    assert list(table.columns) == ["collection", "method", "contrastive", *METRICS, "n_clusters", "seconds"]
    assert table["pro"].tolist() == [0.7, 0.7]
    assert table["seconds"].tolist() == pytest.approx([5.25, 8.0])
    assert table["nmi"].isna().tolist() == [False, True]
    text = (tmp_path / "a.md").read_text()
    assert "| only_fca | 0.700 | – | – | 0.250 | – | – | 0.500 | – | – | 4 | 5 |" in text
    assert "| only_fca + contrastive head | 0.700 | – |" in text
    assert not list(tmp_path.glob("*.partial"))
