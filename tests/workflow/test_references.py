"""Detectors that learn from normal images: from a folder of them, from the collection itself, for new images too."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image
from skimage import data

from firstsight.storage.stored_maps import stored_maps
from running import LAWS, read_tables, run


def draw(path: Path, number: int, spot: bool = False) -> None:
    """A tile of gravel, with a rough spot and its mask where asked for."""
    tile = data.gravel()[30 * number : 30 * number + 96, 40 * (number % 5) : 40 * (number % 5) + 96].copy()
    mask = np.zeros_like(tile)
    if spot:
        mask[20:44, 30:54] = 255
        tile[mask > 0] = np.random.default_rng(number).choice([0, 255], (mask > 0).sum())
        Image.fromarray(mask).save(path.with_name(f"{path.stem}_mask.tif"))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(tile).save(path)


def draw_all(folder: Path) -> None:
    (folder / "masks").mkdir()
    rows = ["image,mask,label"]
    for number in range(4):
        name = f"masks/{number}.png"
        draw(folder / name, number, spot=number < 2)
        rows.append(f"{name},masks/{number}_mask.tif,rough" if number < 2 else f"{name},,good")
    (folder / "pile.csv").write_text("\n".join(rows))
    for number in range(3):
        draw(folder / f"normal/{number}.png", 4 + number)
    (folder / "normal/3.png").symlink_to(folder / "masks/3.png")
    (folder / "normal/broken.png").write_text("no image")


def config(**detectors: Any) -> dict[str, Any]:
    collections = {
        "pile": {"path": "pile.csv", "reference": "normal"},
        "itself": {"path": "pile.csv", "contaminated": True},
    }
    return {"collections": collections, "detectors": detectors, **LAWS}


def scores(folder: Path, collection: str) -> dict[str, float]:
    maps = stored_maps(sorted((folder / "results" / collection / "detectors").glob("*/maps/*.zarr.zip")))
    return {stored.image: float(stored.cells().max()) for stored in maps}


def test_normal_images_are_learned_from_and_never_searched(tmp_path: Path) -> None:
    draw_all(tmp_path)
    done = run(tmp_path, "--until", "detect", config=config(patchcore={}))
    assert done.returncode == 0, done.stderr
    found = scores(tmp_path, "pile")
    assert list(found) == ["masks/0.png", "masks/1.png", "masks/2.png"]
    assert min(found["masks/0.png"], found["masks/1.png"]) > 2 * found["masks/2.png"]
    log = next((tmp_path / "results/logs/pile").glob("patchcore-*/fit.log")).read_text()
    assert "reference/broken.png: not a PNG" in log
    summary = next((tmp_path / "results/pile/detectors").glob("*/model.json")).read_text()
    assert "of 4 images; 1 more could not be used" in summary
    assert list(scores(tmp_path, "itself")) == [f"masks/{number}.png" for number in range(4)]
    assert "of 4 images" in next((tmp_path / "results/itself/detectors").glob("*/model.json")).read_text()


def test_without_normal_images_is_one_line_and_no_job(tmp_path: Path) -> None:
    draw_all(tmp_path)
    done = run(tmp_path, config={"collections": {"pile": {"path": "pile.csv"}}, "detectors": {"padim": {}}})
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "firstsight: config: detectors.padim: padim learns from normal images: add collections.pile.reference"
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_the_reference_table_has_every_method(tmp_path: Path) -> None:
    draw_all(tmp_path)
    settings = config(fca={}, cfa={"epochs": 1, "centres": 20})
    del settings["collections"]["itself"]
    done = run(tmp_path, "reference_table", config=settings)
    assert done.returncode == 0, done.stderr
    table = pandas.read_parquet(tmp_path / "results/tables/reference_table.parquet")
    assert len(table) == 6
    assert not table["sbm"].any()
    assert table[["image_auroc", "auroc", "pro"]].notna().all(axis=None)
    assert table["milliseconds"].gt(0).all()
    text = (tmp_path / "results/tables/reference_table.md").read_text()
    assert "| cfa |  | yes |" in text
    assert "## Published" in text


@pytest.mark.slow
def test_tables_know_the_jobs_of_normal_images_and_new_images_use_their_model(tmp_path: Path) -> None:
    draw_all(tmp_path)
    draw(tmp_path / "later/x.png", 9)
    settings = config(padim={}, cfa={"epochs": 1, "centres": 20})
    del settings["collections"]["itself"]
    settings["collections"]["fresh"] = {"path": "later", "assign_to": "pile"}
    done = run(tmp_path, "tables", config=settings)
    assert done.returncode == 0, done.stderr
    tables = read_tables(tmp_path / "results")
    assert not tables["images"]["image"].str.startswith("reference/").any()
    assert tables["images"].set_index("image")["cfa_score"]["x.png"] > 0
    runs = tables["runs"]
    assert runs[runs["collection"].eq("pile")]["rule"].value_counts()[["manifest", "features", "fit"]].eq(2).all()
    assert not runs.duplicated(["collection", "rule", "shard", "detector"]).any()
    assert not list((tmp_path / "results/fresh").rglob("model.pt"))
