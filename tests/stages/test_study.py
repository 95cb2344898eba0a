"""Stage study: what rows were measured, as a table and as a page."""

import json
from dataclasses import replace
from pathlib import Path

import pandas
import pytest

from firstsight.errors import DamagedError, FirstsightError
from firstsight.plan.study_rows import StudyRow
from firstsight.plan.study_tables import STUDIES
from firstsight.stages.job import Job
from firstsight.stages.study import study_table, write_study
from firstsight.storage.tables import write_table


def record(path: Path, rule: str, images: int = 0, seconds: float = 99.0, **steps: float) -> Path:
    row = {"rule": rule, "n_images": images, "seconds": seconds, "seconds_by_step": json.dumps(steps)}
    path.write_text(json.dumps(row))
    return path


def row(folder: Path, values: dict[str, float], *records: Path, **names: str | int | bool) -> StudyRow:
    """A row about the detector ``mine``, whose metrics lie beside others that are not meant."""
    path = folder / "-".join(map(str, names.values()))
    path.mkdir()
    about = {
        "collection": "pile",
        "low": None,
        "high": None,
        "n_images": 3,
        "n_regions": 2,
        "settings_fingerprint": "f",
    }
    rows = [
        {**about, "detector": "mine", "metric": metric, "value": value, "crop": 0.0} for metric, value in values.items()
    ]
    rows.append({**about, "detector": "mine", "metric": "pro", "value": 0.99, "crop": 0.1})
    rows.append({**about, "detector": "another", "metric": "pro", "value": 0.98, "crop": 0.0})
    write_table(path / "metrics.parquet", "metrics", rows)
    (path / "clusters.json").write_text(json.dumps({"n_clusters": 4}))
    return StudyRow("pile", dict(names), "mine", path / "metrics.parquet", path / "clusters.json", records)


def write(folder: Path, study: str, rows: list[StudyRow], job: Job, *companions: Path) -> tuple[pandas.DataFrame, str]:
    write_study(
        study=STUDIES[study],
        rows=rows,
        set_aside=["collections.pile.detectors.ssdnet: no weights"],
        companions=companions,
        table=folder / "tables/s.parquet",
        markdown=folder / "tables/s.md",
        job=job,
    )
    assert not list(folder.rglob("*.partial"))
    return pandas.read_parquet(folder / "tables/s.parquet"), (folder / "tables/s.md").read_text()


def test_rows_hold_whole_frame_metrics_and_the_sum_of_seconds(tmp_path: Path, job: Job) -> None:
    jobs = [record(tmp_path / str(seconds), "detect", seconds=seconds) for seconds in (2.0, 3.25, 8.0)]
    values = {"pro": 0.7, "nmi": 0.25, "nmi_oracle": 0.5}
    rows = [
        row(tmp_path, values, *jobs[:2], method="only_fca", contrastive=False),
        row(tmp_path, {"pro": 0.7}, jobs[2], method="only_fca", contrastive=True),
    ]
    table, text = write(tmp_path, "ablation", rows, job)
    columns = STUDIES["ablation"].columns
    assert list(table.columns) == ["collection", "method", "contrastive", *columns]
    assert columns[-2:] == ("n_clusters", "seconds")
    assert table["contrastive"].tolist() == [False, True]
    assert table["pro"].tolist() == [0.7, 0.7]
    assert table["n_clusters"].tolist() == [4, 4]
    assert table["seconds"].tolist() == pytest.approx([5.25, 8.0])
    assert table["nmi"].isna().tolist() == [False, True]
    assert "| only_fca |  | 0.700 | – | – | 0.250 | – | – | 0.500 | – | – | 4 | 5.250 |" in text
    assert "| only_fca | yes | 0.700 | – |" in text
    assert "## Published" in text


def test_the_time_of_an_image_leaves_learning_and_starting_out(tmp_path: Path, job: Job) -> None:
    jobs = [
        record(tmp_path / "model", "fit", 9, fit=70.0),
        record(tmp_path / "f1", "features", 3, extract=0.5, load=7.0),
        record(tmp_path / "f2", "features", 1, extract=0.3),
        record(tmp_path / "m", "detect", 4, detect=0.4, read=5.0, write=2.0),
    ]
    rows = [
        row(tmp_path, {"image_auroc": 0.5, "auroc": 0.75, "pro": 0.7}, *jobs, method="cfa", sbm=False, pfam=False),
        row(tmp_path, {"image_auroc": 0.6}, *jobs, method="cfa", sbm=True, pfam=True),
    ]
    table, text = write(tmp_path, "reference_table", rows, job)
    columns = ["collection", "method", "sbm", "pfam", "image_auroc", "auroc", "pro", "milliseconds"]
    assert list(table.columns) == columns
    assert table["milliseconds"].tolist() == pytest.approx([300.0, 300.0])
    assert table["pro"].isna().tolist() == [False, True]
    assert "| cfa |  |  | 0.500 | 0.750 | 0.700 | 300 |" in text
    assert "| cfa | yes | yes | 0.600 | – | – | 300 |" in text
    assert "## Published" in text


def test_learning_is_shared_among_the_images_of_a_comparison(tmp_path: Path) -> None:
    jobs = {
        "right": [
            record(tmp_path / "f", "features", 4, 2.0),
            record(tmp_path / "d", "detect", 4, 9.0, detect=1.0),
        ],
        "wrong": [record(tmp_path / "m", "fit", 4, 3.0), record(tmp_path / "e", "detect", 4, 9.0, detect=1.0)],
        "blank": [record(tmp_path / "g", "detect", 4, 9.0, detect=0.4)],
    }
    rows = [row(tmp_path, {}, *records, detector=detector) for detector, records in jobs.items()]
    table = study_table(rows, ["seconds_per_image", "feature_seconds_per_image"])
    assert table["seconds_per_image"].tolist() == pytest.approx([0.25, 1.0, 0.1])
    assert table["feature_seconds_per_image"].tolist() == pytest.approx([0.5, 0, 0])


def test_the_page_tells_what_belongs_to_a_study(tmp_path: Path, job: Job) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/more.md").write_text("## Where they disagree most\n")
    rows = [
        row(
            tmp_path,
            {"average_precision": level / 10, "n_images": 1},
            detector="mine",
            degradation=degradation,
            level=level,
        )
        for degradation in ("missing", "noise")
        for level in (0, 5)
    ]
    companions = (tmp_path / "tables/more.md", tmp_path / "pile/robustness/curves.png")
    _, text = write(tmp_path, "robustness", rows, job, *companions)
    assert "## Set aside\n\n- collections.pile.detectors.ssdnet: no weights\n" in text
    assert "## pile, noise\n\n| detector | level 0 | level 5 |\n| --- | --- | --- |\n| mine | 0.000 | 0.500 |\n" in text
    assert text.count("## pile, ") == 2
    assert text.index("## pile, noise") < text.index("## Where they disagree most")
    assert "![curves](../pile/robustness/curves.png)" in text


def test_a_column_without_any_value_is_still_of_numbers(tmp_path: Path, job: Job) -> None:
    table, _ = write(tmp_path, "reference_table", [row(tmp_path, {}, method="cfa", sbm=False, pfam=False)], job)
    assert table["auroc"].dtype == "float64"


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ("reference_table", "no collection has normal images: add collections.<name>.reference or contaminated: true"),
        ("robustness", "robustness is measured on images with masks, and no collection has any"),
    ],
)
def test_nothing_to_compare_is_one_clear_line(tmp_path: Path, job: Job, study: str, message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        write(tmp_path, study, [], job)


def test_a_damaged_table_is_named(tmp_path: Path, job: Job) -> None:
    damaged = replace(row(tmp_path, {}, method="cfa"), metrics=tmp_path / "broken.parquet")
    damaged.metrics.write_bytes(b"PAR1")
    with pytest.raises(DamagedError, match=r"broken\.parquet"):
        write(tmp_path, "reference_table", [damaged], job)
