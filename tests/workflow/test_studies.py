"""The targets of the studies: their jobs are planned, and some of them run."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

from running import LAWS, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six noisy images, three of them with a grey square."""
    for number in range(6):
        values = np.random.default_rng(number).integers(0, 255, (64, 64)).astype(np.uint8)
        mask = np.zeros_like(values)
        if number >= 3:
            mask[20:36, 10 * number - 20 : 10 * number] = 255
            values[mask > 0] = 120
        kind = "square" if number >= 3 else "good"
        for path, drawn in ((f"test/{kind}/{number}.png", values), (f"ground_truth/{kind}/{number}_mask.png", mask)):
            (tmp_path / "pile" / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(drawn).save(tmp_path / "pile" / path)
    return tmp_path


CONFIG: dict[str, Any] = {
    "collections": {"pile": {"path": "pile"}},
    "detectors": {"fca": {}, "ssdnet": {"weights": "absent.pth"}},
    **LAWS,
}


def test_a_degraded_copy_goes_through_the_same_jobs(folder: Path) -> None:
    planned = run(folder, "--dry-run", "robustness", config=CONFIG)
    assert planned.returncode == 0, planned.stderr
    line = "firstsight: set aside: collections.pile.detectors.ssdnet.weights: the weights of vgg19 are not there"
    assert line in planned.stderr
    wanted = next(
        word.rstrip(",")
        for word in planned.stdout.split()
        if "/robustness/missing-10/detectors/fca-" in word and word.rstrip(",").endswith(".zarr.zip")
    )
    done = run(folder, wanted, config=CONFIG)
    assert done.returncode == 0, done.stderr
    assert (folder / wanted).is_file()
    manifest = next((folder / "results/pile/robustness/missing-10/shards").glob("*/images.parquet"))
    assert pandas.read_parquet(manifest)["status"].tolist() == ["ok"] * 3


def test_a_study_of_nothing_is_one_line(folder: Path) -> None:
    config = {"collections": {"pile": {"path": "pile/test/good"}}}
    done = run(folder, "--keep-going", "robustness", "reference_table", config=config)
    assert done.returncode != 0
    assert "robustness: robustness is measured on images with masks, and no collection has any; log: " in done.stderr
    assert "firstsight: reference_table: no collection has normal images: add collections.<name>" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((folder / "results/tables").glob("[!.]*"))


@pytest.mark.slow
def test_all_detectors_are_compared(folder: Path) -> None:
    done = run(folder, "compare", config=CONFIG)
    assert done.returncode == 0, done.stderr
    table = pandas.read_parquet(folder / "results/tables/comparison.parquet")
    assert {"fca", "grnr", "blind", "glcm", "rpca", "pg_lsr", "spectral_residual"} <= set(table["detector"])
    assert "ssdnet" not in set(table["detector"])
    assert table["auroc"].between(0, 1).all()
    assert (folder / "results/pile/comparison/disagreement.png").is_file()
    page = (folder / "results/tables/comparison.md").read_text()
    assert "## Set aside" in page
    assert "- collections.pile.detectors.ssdnet.weights: the weights of vgg19 are not there" in page
    assert "## Where they disagree most" in page
    assert "![disagreement](../pile/comparison/disagreement.png)" in page
