"""Masks and labels that are named and stored in ways of their own, through a whole run."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from firstsight.stages.truth import EMPTY_MASK, NO_MASK
from running import QUICK, read_tables, run

IMAGES = {"ok/0": 0, "ok/1": 0, "ko/2": 1, "ko/3": 2, "ko/4": 0, "ko/5": None}
"""Images, and the number of the class in their masks: 0 is an empty mask, None no mask."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masks")
    for number, (name, kind) in enumerate(IMAGES.items()):
        tile = data.gravel()[64 * number : 64 * number + 96, 30 * number : 30 * number + 96].copy()
        mask = np.zeros(tile.shape, np.uint16)
        if kind:
            mask[30:60, 20:50] = kind
            tile[mask > 0] = np.random.default_rng(number).choice([0, 255], (mask > 0).sum())
        image = folder / f"pile/test/{name}.bmp"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(tile).save(image)
        if name.startswith("ko") and kind is not None:
            truth = folder / f"pile/ground_truth/{name}"
            truth.mkdir(parents=True)
            # In two parts, one below the other.
            for part, rows in enumerate((slice(0, 45), slice(45, 96))):
                half = np.zeros_like(mask)
                half[rows] = mask[rows]
                Image.fromarray(half).save(truth / f"{part}.png")
    Image.fromarray(np.zeros((96, 96), np.uint8)).save(folder / "pile/ground_truth/ko/9.png")
    done = run(folder, config={"collections": {"pile": {"path": "pile"}}, **QUICK})
    assert done.returncode == 0, done.stderr
    (folder / "stderr.txt").write_text(done.stderr, encoding="utf-8")
    return folder


def test_masks_labels_and_metrics_are_right(folder: Path) -> None:
    tables = read_tables(folder / "results")
    images = tables["images"].set_index("image")
    assert images["is_normal"].to_dict() == {f"test/{name}.bmp": name.startswith("ok") for name in IMAGES}
    assert images.loc[images["mask"].notna(), "mask_values"].to_dict() == {
        "test/ko/2.bmp": "> 0",
        "test/ko/3.bmp": "> 0",
    }
    metrics = tables["metrics"].set_index("metric")
    assert metrics[["n_images", "n_regions"]].astype(object).loc["pro"].to_dict() == {"n_images": 4, "n_regions": 2}
    assert metrics["value"].to_dict()["image_auroc"] == 1
    assert metrics["value"].to_dict()["auroc"] > 0.9


def test_what_is_odd_is_said_on_the_console_in_the_log_in_the_table_and_on_the_page(folder: Path) -> None:
    results = folder / "results"
    remarks = read_tables(results)["images"].set_index("image")["truth_remark"].dropna().to_dict()
    assert remarks == {"test/ko/4.bmp": EMPTY_MASK, "test/ko/5.bmp": NO_MASK}
    loose = "1 mask fits no image: ground_truth/ko/9.png"
    assert (folder / "stderr.txt").read_text(encoding="utf-8").count(f"firstsight: collections.pile: {loose}\n") == 1
    says = "masks: class numbers 1 to 2, any is anomalous"
    log = "".join(path.read_text(encoding="utf-8") for path in (results / "logs/pile/truth").glob("*.log"))
    assert f"{says}\ntest/ko/4.bmp: {EMPTY_MASK}\ntest/ko/5.bmp: {NO_MASK}\n" in log
    page = (results / "reports/index.html").read_text(encoding="utf-8")
    noted = (results / "logs/page.log").read_text(encoding="utf-8")
    for line in (loose, f"1 image: {EMPTY_MASK}", f"1 image: {NO_MASK}"):
        assert page.count(f"<bdi>{line}</bdi>") == 1
        assert f"pile: {line}\n" in noted
    assert f"<dd>{says.removeprefix('masks: ')}</dd>" in page
