"""Stage papers: means over textures, costs, and the page."""

import json
from pathlib import Path

import pandas
import pytest

from firstsight.errors import FirstsightError
from firstsight.papers.published import PUBLISHED, Published
from firstsight.plan.papers import Measured, PaperRow
from firstsight.stages.job import Job
from firstsight.stages.papers import write_papers
from firstsight.storage.tables import write_table


def figure(method: str, metric: str, table: str) -> Published:
    return next(row for row in PUBLISHED if (row.method, row.metric, row.table) == (method, metric, table))


def measured(folder: Path, name: str, crop: float, *, images: int = 3, **metrics: float) -> Measured:
    """Results of the detector ``mine``; the same metrics of the whole frame are 0.9."""
    about = {"collection": name, "low": None, "high": None, "n_regions": 2, "settings_fingerprint": "f"}
    about["n_images"] = images
    rows = [
        {**about, "detector": "mine", "metric": metric, "value": value, "crop": share}
        for metric, right in metrics.items()
        for share, value in ({0.0: 0.9} | {crop: right}).items()
    ]
    path = folder / f"{name}.parquet"
    write_table(path, "metrics", rows)
    return Measured(name, "mine", path, crop)


def write(folder: Path, rows: list[PaperRow], job: Job, *default: Measured) -> tuple[pandas.DataFrame, str]:
    table, page = folder / "tables/papers.parquet", folder / "tables/papers.md"
    write_papers(rows=rows, default_detector=default, table=table, markdown=page, job=job)
    return pandas.read_parquet(table), page.read_text(encoding="utf-8")


def test_figures_stand_beside_those_of_the_papers(tmp_path: Path, job: Job) -> None:
    dot = measured(tmp_path, "dot__grnr", 0.1, auroc=0.8)
    box = measured(tmp_path, "box__grnr", 0.1, auroc=0.7)
    own = measured(tmp_path, "dot__defaults", 0.0, auroc=0.6)
    costs = tmp_path / "costs.json"
    times = {"grnr": {"seconds": 0.25, "network": 0.5}, "grnr_m2": {"seconds": 9.0, "network": 9.0}}
    costs.write_text(json.dumps({"device": "cpu", "detectors": times}))
    rows = [
        PaperRow(figure("GRNR", "auroc", "Table II"), "missing", differs=("elsewhere",)),
        PaperRow(figure("GRNR", "seconds", "Table V"), "measured", costs=costs),
    ]
    fabric = next(row for row in PUBLISHED if row.data_set == "hku_fabric" and row.method == "GRNR")
    rival = next(row for row in PUBLISHED if row.data_set == "hku_fabric" and row.method == "April-GAN")
    rows[1:1] = [PaperRow(rival, "rival"), PaperRow(fabric, "measured", (dot, box), (own,), differs=("a | part",))]
    table, page = write(tmp_path, rows, job, own)
    assert table["status"].tolist() == ["missing", "rival", "measured", "measured"]
    figures = table[["ours", "defaults", "published", "difference"]].to_numpy(float)
    assert figures[2].tolist() == pytest.approx([0.75, 0.6, 0.985, -0.235])
    assert table["differs"].tolist() == ["elsewhere", "", "a | part", ""]
    seconds = table[["ours", "trunk_seconds", "times_trunk"]].to_numpy(float)
    assert seconds[3].tolist() == pytest.approx([0.25, 0.5, 0.5])
    assert "| HKU patterned fabrics | GRNR | AUROC, pooled | 0.750 | 0.600 | 0.985 | −0.235 |" in page
    assert "| HKU patterned fabrics | April-GAN | AUROC, pooled | – | – | 0.941 | – |" in page
    assert "- HKU patterned fabrics: a | part.\n" in page
    assert "| grnr, Table V | GRNR | 320 | 0.080 | 0.250 | 0.500 | 0.500 | cpu |" in page
    assert "| KSDD | grnr, Table II | https://www.vicos.si/resources/kolektorsdd/ |" in page
    assert "| dot | – | 0.600 |" in page


def test_a_mean_over_images_is_one_over_the_images_of_all_parts(tmp_path: Path, job: Job) -> None:
    many = measured(tmp_path, "many", 0.0, images=25, auroc_by_image=0.8, auroc=0.8)
    few = measured(tmp_path, "few", 0.0, images=5, auroc_by_image=0.2, auroc=0.2)
    rows = [
        PaperRow(figure("SSDnet", "auroc_by_image", "Table 1"), "measured", (many, few)),
        PaperRow(figure("GRNR", "auroc", "Table II"), "measured", (many, few)),
    ]
    table, _ = write(tmp_path, rows, job)
    assert table["ours"].tolist() == pytest.approx([0.7, 0.5])


def test_a_run_without_data_sets_is_one_line(tmp_path: Path, job: Job) -> None:
    rows = [PaperRow(row, "missing") for row in PUBLISHED[:3]]
    with pytest.raises(FirstsightError, match="no collection stands for a data set of the papers"):
        write(tmp_path, rows, job)
    assert not (tmp_path / "tables").exists()
