"""Degraded images, and the curves of what is left of the maps on them."""

from pathlib import Path

import numpy as np
import pandas
import pytest

from firstsight.collections.images import read_image
from firstsight.plan.study_rows import StudyRow
from firstsight.stages import robustness
from firstsight.stages.job import Job
from firstsight.stages.robustness import AXES, degrade_images, draw_robustness


def test_images_are_degraded_one_by_one(pile: Path, tmp_path: Path, job: Job) -> None:
    names = ["1.png", "deep/2.png", "5.png"]
    rows: list[dict[str, str | None]] = [
        {"image": name, "path": str(pile / Path(name).name), "missing": None} for name in names
    ]
    for degradation, level in (("noise", 0), ("noise", 10), ("missing", 10)):
        output = tmp_path / f"{degradation}-{level}"
        degrade_images(images=rows, degradation=degradation, level=level, output=output, seed=0, job=job)
        assert sorted(path.relative_to(output).as_posix() for path in output.rglob("*.tif")) == [
            "1.png.tif",
            "deep/2.png.tif",
        ]
    assert "5.png: not a PNG" in job.log.getvalue()  # type: ignore[attr-defined]
    original = read_image(pile / "1.png")
    assert np.array_equal(read_image(tmp_path / "noise-0/1.png.tif"), original)
    noisy = read_image(tmp_path / "noise-10/1.png.tif")
    assert 0.05 < (noisy - original).std() < 0.1
    assert np.isnan(read_image(tmp_path / "missing-10/1.png.tif")[..., 0]).mean() == pytest.approx(0.1, abs=1e-4)
    degrade_images(images=rows[1:], degradation="noise", level=10, output=tmp_path / "alone", seed=0, job=job)
    alone = read_image(tmp_path / "alone/deep/2.png.tif")
    assert np.array_equal(alone, read_image(tmp_path / "noise-10/deep/2.png.tif"))


def row(folder: Path, degradation: str, level: int, value: float) -> StudyRow:
    metrics = folder / f"{degradation}-{level}.parquet"
    columns = ["detector", "metric", "value", "crop"]
    pandas.DataFrame([("fca", "average_precision", value, 0.0)], columns=columns).to_parquet(metrics)
    return StudyRow("pile", {"detector": "fca", "degradation": degradation, "level": level}, "fca", metrics, None, ())


def test_curves_are_drawn_over_the_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(tmp_path, *which) for which in (("missing", 0, 1.0), ("missing", 5, np.nan), ("noise", 10, 0.25))]
    draw_robustness(rows=rows, output=tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000
    drawn: list[object] = []

    def draw(path: Path, curves: object, metric: str) -> None:
        drawn.append(curves)
        path.touch()

    monkeypatch.setattr(robustness, "draw_curves", draw)
    draw_robustness(rows=rows, output=tmp_path / "curves.png")
    assert drawn == [{AXES["missing"]: {"fca": {0: 1.0}}, AXES["noise"]: {"fca": {10: 0.25}}}]
