"""Stage reference_table: metrics and milliseconds of methods, as a table and as text."""

import json
from pathlib import Path

import pandas
import pytest

from firstsight.errors import FirstsightError
from firstsight.stages.job import Job
from firstsight.stages.reference_table import ReferenceRow, write_reference_table
from firstsight.storage.tables import write_table


def record(path: Path, images: int, **steps: float) -> Path:
    path.write_text(json.dumps({"n_images": images, "seconds": 99.0, "seconds_by_step": json.dumps(steps)}))
    return path


def row(folder: Path, values: dict[str, float], *, sbm: bool, pfam: bool) -> ReferenceRow:
    path = folder / f"{sbm}-{pfam}"
    path.mkdir()
    names = {"collection": "pile", "detector": "cfa", "n_images": 3, "n_regions": 2, "settings_fingerprint": "f"}
    rows = [{**names, "metric": metric, "value": value, "crop": 0.0} for metric, value in values.items()]
    write_table(path / "metrics.parquet", "metrics", [*rows, {**names, "metric": "pro", "value": 0.99, "crop": 0.1}])
    features = (record(path / "f1", 3, extract=0.5, load=7.0), record(path / "f2", 1, extract=0.3))
    maps = (record(path / "m", 4, detect=0.4, read=5.0, write=2.0),)
    return ReferenceRow("pile", "cfa", sbm, pfam, path / "metrics.parquet", features, maps)


def test_rows_hold_whole_frame_metrics_and_the_time_of_an_image(tmp_path: Path, job: Job) -> None:
    rows = [
        row(tmp_path, {"image_auroc": 0.5, "auroc": 0.75, "pro": 0.7}, sbm=False, pfam=False),
        row(tmp_path, {"image_auroc": 0.6}, sbm=True, pfam=True),
    ]
    write_reference_table(rows=rows, table=tmp_path / "t.parquet", markdown=tmp_path / "t.md", job=job)
    table = pandas.read_parquet(tmp_path / "t.parquet")
    assert list(table.columns[:4]) == ["collection", "method", "sbm", "pfam"]
    assert table["milliseconds"].tolist() == pytest.approx([300.0, 300.0])
    assert table["pro"].isna().tolist() == [False, True]
    text = (tmp_path / "t.md").read_text()
    assert "| cfa |  |  | 0.500 | 0.750 | 0.700 | 300 |" in text
    assert "| cfa | yes | yes | 0.600 | – | – | 300 |" in text
    assert "## Published" in text
    assert not list(tmp_path.glob("*.partial"))


def test_no_collection_with_normal_images_is_one_clear_line(tmp_path: Path, job: Job) -> None:
    with pytest.raises(FirstsightError, match="no collection has normal images"):
        write_reference_table(rows=[], table=tmp_path / "t.parquet", markdown=tmp_path / "t.md", job=job)
