"""Every file may be broken: each is a row with its status, the others finish, and no traceback is shown."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import tifffile
from PIL import Image

from running import LAWS, read_tables, run

N_GOOD = 4


def texture(seed: int, height: int = 96, width: int = 120) -> Image.Image:
    values = np.random.default_rng(seed).integers(60, 200, (height, width)).astype(np.uint8)
    values[30:50, 40:60] = 250 if seed % 2 else values[30:50, 40:60]
    return Image.fromarray(values)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    pile = folder / "pile"
    for sub in ("one", "two"):
        (pile / sub).mkdir(parents=True)
        texture(len(sub) + ord(sub[0])).save(pile / sub / "same.png")
    for seed in range(N_GOOD):
        texture(seed).save(pile / f"good{seed}.png")
    texture(9, 131, 77).convert("RGB").save(pile / "odd.jpg")
    texture(8).save(pile / "<script>alert(1)<&'\".png")
    whole = (pile / "good0.png").read_bytes()
    (pile / "truncated.png").write_bytes(whole[: len(whole) // 2])
    (pile / "zero.png").touch()
    (pile / "text.png").write_text("not an image")
    Image.new("L", (1, 1), 7).save(pile / "single.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (2, 20000)).astype(np.uint8)).save(pile / "thin.png")
    Image.new("L", (96, 96), 128).save(pile / "constant.png")
    values = np.random.default_rng(1).random((96, 96)).astype(np.float32)
    tifffile.imwrite(pile / "fine.tif", values)
    values[3, 4] = np.nan
    tifffile.imwrite(pile / "hole.tif", values)
    values[3, 4] = np.inf
    tifffile.imwrite(pile / "infinite.tif", values)
    tifffile.imwrite(pile / "nan.tif", np.full((96, 96), np.nan, np.float32))
    (pile / "gone.png").symlink_to(folder / "nowhere.png")
    (pile / "folder.png").mkdir()
    Path(os.fsdecode(bytes(pile) + b"/caf\xe9.png")).write_bytes(whole)
    rows = [{"image": path.relative_to(folder).as_posix()} for path in sorted(pile.glob("good*.png"))]
    for row in rows:
        row["mask"], row["label"], row["time"] = "mask.png", "spot", "2026-03-01 14:30+01:00"
    rows[2]["time"] = "yesterday"
    rows[1]["mask"] = "small.png"
    Image.fromarray(np.pad(np.full((20, 20), 255, np.uint8), ((30, 46), (40, 60)))).save(folder / "mask.png")
    Image.new("L", (5, 5), 255).save(folder / "small.png")
    pandas.DataFrame(rows).to_csv(folder / "sheet.csv", index=False)
    detectors = {"fca": {"patch_size": 5}}
    config = {
        "collections": {"pile": {"path": "pile", "when": "files"}, "listed": {"path": "sheet.csv"}},
        "detectors": detectors,
        "images_per_job": 64,
        **LAWS,
    }
    done = run(folder, config=config)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (folder / "console.txt").write_text(done.stderr)
    return folder / "results"


@pytest.fixture(scope="module")
def images(results: Path) -> pandas.DataFrame:
    return read_tables(results)["images"].set_index(["collection", "image"])


def test_the_others_finish(images: pandas.DataFrame) -> None:
    fine = images.loc["pile"][images.loc["pile"]["status"].eq("ok")]
    assert set(fine.index) == {
        *(f"good{seed}.png" for seed in range(N_GOOD)),
        "one/same.png",
        "two/same.png",
        "odd.jpg",
        "fine.tif",
        "hole.tif",
        "<script>alert(1)<&'\".png",
    }
    assert fine["fca_score"].notna().all()


@pytest.mark.parametrize(
    "image",
    [
        "truncated.png",
        "zero.png",
        "text.png",
        "single.png",
        "thin.png",
        "constant.png",
        "infinite.tif",
        "nan.tif",
        "gone.png",
        r"caf\udce9.png",
    ],
)
def test_a_bad_image_is_a_row_with_its_status(images: pandas.DataFrame, image: str) -> None:
    row: Any = images.loc[("pile", image)]
    assert row["status"] != "ok"
    assert len(row["status"]) > 5
    assert "\n" not in row["status"]
    assert pandas.isna(row["fca_score"])


def test_a_mask_of_another_size_costs_the_metrics_but_not_the_map(images: pandas.DataFrame, results: Path) -> None:
    times = images["time"]
    assert times["listed"].value_counts().to_dict() == {pandas.Timestamp("2026-03-01 13:30"): N_GOOD - 1}
    assert "is neither a date" in str(images.loc[("listed", "pile/good2.png"), "truth_remark"])
    written = times["pile"]
    assert written["good0.png"] > pandas.Timestamp("2026-03-01")
    assert pandas.isna(written["gone.png"]), "there is no file"
    row: Any = images.loc[("listed", "pile/good1.png")]
    assert row["status"].startswith("mask is 5 x 5")
    assert row["fca_score"] > 0
    metrics = read_tables(results)["metrics"]
    listed = metrics[metrics["collection"].eq("listed") & metrics["metric"].eq("pro")]
    assert listed["n_images"].tolist() == [N_GOOD - 1]


def test_the_page_names_them_and_is_safe(results: Path) -> None:
    page = (results / "reports/index.html").read_text()
    assert "truncated.png" in page
    assert "<script>alert" not in page


def test_no_table_holds_a_value_that_is_not_finite(results: Path) -> None:
    tables = read_tables(results)
    for name in ("regions", "clusters", "metrics"):
        numbers = tables[name].select_dtypes("number")
        present = numbers.to_numpy(dtype=float, na_value=0.0)
        assert np.isfinite(present).all()


def test_the_console_has_a_line_for_each_stage_and_little_else(results: Path, images: pandas.DataFrame) -> None:
    _, *console = (results.parent / "console.txt").read_text().splitlines()
    rules = ["manifest", "truth", "scale", "features", "detect", "threshold", "describe", "overlays", "cluster"]
    ends = re.compile(r"(\w+): (\d+) images in \d+ (?:s|min), [\d.]+ images/s")
    done = {found[1]: int(found[2]) for line in console if (found := ends.fullmatch(line))}
    assert set(done) == {*rules, "charts", "evaluate", "tables", "page"}
    assert done["manifest"] == done["features"] == done["detect"] == done["tables"] == len(images)
    # A stage that takes long on a slow machine says how far it is.
    others = [line for line in console if not ends.fullmatch(line) and not re.fullmatch(r"\w+: .+ (left|so far)", line)]
    assert others == [
        "firstsight: collections.listed: no label is called normal; the labels are spot; normal_label says which is"
    ]
    assert len(console) < 30
