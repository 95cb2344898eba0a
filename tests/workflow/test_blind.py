"""Blind localization of a folder, the kinds it finds, names for them, and new images held against them."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image
from skimage import data

from running import LAWS, read_tables, run

SHORT = {"epochs": 2, "cells_per_epoch": 2048, "bank_images": 8, "bank_cells": 16, "sampled_images": 8}


def draw(path: Path, number: int, *spots: str) -> None:
    """A tile of gravel with the spots asked for: flat, rough."""
    row, column = 30 * (number % 12), 40 * (number % 9)
    tile = data.gravel()[row : row + 128, column : column + 128].copy()
    if "flat" in spots:
        tile[16:44, 20:48] = 120
    if "rough" in spots:
        tile[80:108, 72:100] = np.random.default_rng(number).choice([80, 180], (28, 28))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(tile).save(path)


def config(**collections: dict[str, Any]) -> dict[str, Any]:
    return {"collections": collections, "detectors": {"blind": SHORT}, "clustering": {"contrastive": True}, **LAWS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over one folder of twelve images, and three that came later."""
    folder = tmp_path_factory.mktemp("blind")
    for number in range(4):
        draw(folder / f"pile/flat{number}.png", number, "flat")
        draw(folder / f"pile/rough{number}.png", number + 4, "rough")
        draw(folder / f"pile/good{number}.png", number + 8)
    draw(folder / "pile/both.png", 3, "flat", "rough")
    draw(folder / "later/new_flat.png", 20, "flat")
    draw(folder / "later/new_good.png", 21)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (128, 128), np.uint8)).save(folder / "later/noise.png")
    Image.fromarray(data.grass()[:128, :128]).save(folder / "later/grass.png")
    done = run(folder, config=settings())
    assert done.returncode == 0, done.stderr
    return folder


def settings() -> dict[str, Any]:
    return config(pile={"path": "pile"}, fresh={"path": "later", "assign_to": "pile"})


def test_spots_are_found_and_sorted(folder: Path) -> None:
    tables = read_tables(folder / "results")
    images = tables["images"].set_index("image")
    assert set(images["status"]) == {"ok"}
    scores = images[images["collection"].eq("pile")]["blind_score"]
    assert scores.filter(like="good").max() < scores.filter(regex="flat|rough|both").min()
    clusters = tables["clusters"][tables["clusters"]["collection"].eq("pile")].set_index("image")["cluster"]
    assert clusters.filter(like="flat").nunique() == 1
    assert clusters.filter(like="rough").nunique() == 1
    assert clusters["flat0.png"] != clusters["rough0.png"]
    assert set(tables["clusters"]["n_clusters_from"]) == {"estimated"}
    runs = tables["runs"]
    assert {"fit", "head", "known_threshold", "assign_kinds"} <= set(runs["rule"])
    assert not runs.duplicated(["collection", "rule", "shard", "detector"]).any()


def test_an_image_with_two_kinds_of_spot_has_regions_of_two_kinds(folder: Path) -> None:
    regions = read_tables(folder / "results")["regions"]
    own = regions[regions["collection"].eq("pile")]

    def kind(image: str, spot: str) -> int:
        rows = own[own["image"].eq(image)]
        near = rows["centroid_x"].lt(60) if spot == "flat" else rows["centroid_x"].ge(60)
        return int(rows[near].sort_values("area")["cluster"].iloc[-1])

    assert kind("both.png", "flat") == kind("flat0.png", "flat")
    assert kind("both.png", "rough") == kind("rough0.png", "rough")
    assert kind("both.png", "flat") != kind("both.png", "rough")


def test_new_images_are_held_against_what_is_known(folder: Path) -> None:
    tables = read_tables(folder / "results")
    clusters = tables["clusters"].set_index(["collection", "image"])
    numbers: dict[Any, int] = clusters["cluster"].to_dict()
    assert numbers["fresh", "new_flat.png"] == numbers["pile", "flat0.png"]
    for other in ("noise.png", "grass.png"):
        kind: Any = clusters.loc[("fresh", other)]
        assert (kind["cluster"], kind["cluster_name"]) == (-1, "unknown")
    fresh, pile = (
        next((folder / "results" / name).glob("detectors/blind-*/decision.json")) for name in ("fresh", "pile")
    )
    assert fresh.read_bytes() == pile.read_bytes()
    assert not list((folder / "results/fresh").rglob("model.pt")), "new images fit nothing"
    page = (folder / "results/reports/index.html").read_text()
    assert "fresh" in page
    assert "learned from 13 images" in page


@pytest.mark.slow
def test_names_appear_everywhere_and_nothing_is_computed_again(folder: Path) -> None:
    names = folder / "names.csv"
    names.write_text("collection,detector,medoid,name\n")
    assert run(folder, "name_clusters", config={**settings(), "names": "names.csv"}).returncode == 0
    clusters = pandas.read_parquet(folder / "results/tables/clusters.parquet")
    with names.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    kind = clusters.set_index(["collection", "image"]).loc[("pile", "flat0.png"), "cluster"]
    for row in rows:
        row["name"] = "flat spot" if row["collection"] == "pile" and int(row["cluster"]) == kind else ""
    with names.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    done = run(folder, config={**settings(), "names": "names.csv"})
    assert done.returncode == 0, done.stderr
    assert "\npage: " in done.stderr
    assert "\ndetect: " not in done.stderr
    assert "\ncluster: " not in done.stderr
    tables = read_tables(folder / "results")
    named = tables["clusters"].set_index(["collection", "image"])["cluster_name"]
    assert named[("pile", "flat0.png")] == named[("fresh", "new_flat.png")] == "flat spot"
    assert "flat spot" in set(tables["regions"]["cluster_name"])
    assert "flat spot" in (folder / "results/reports/index.html").read_text()


@pytest.mark.slow
def test_the_ablation_has_every_method_with_and_without_the_head(folder: Path) -> None:
    done = run(folder, "ablation", config=config(pile={"path": "pile"}))
    assert done.returncode == 0, done.stderr
    table = pandas.read_parquet(folder / "results/tables/ablation.parquet")
    assert len(table) == 12
    assert table["method"].nunique() == 6
    assert table["seconds"].gt(0).all()
    text = (folder / "results/tables/ablation.md").read_text()
    assert text.startswith("# Ablation of blind localization")
    assert text.count("\n| blind | yes |") == text.count("\n| blind |  |") == 1
    assert "Published" in text


@pytest.mark.slow
def test_odd_collections_end_in_sensible_tables(tmp_path: Path) -> None:
    for number in range(3):
        draw(tmp_path / f"few/{number}.png", number, "flat")
    for number in range(6):
        draw(tmp_path / f"same/{number}.png", 0)
        draw(tmp_path / f"good/{number}.png", number)
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "broken.png").write_text("no image")
    names = ("few", "same", "good", "bad")
    done = run(tmp_path, config=config(**{name: {"path": name} for name in names}))
    assert done.returncode == 0, done.stderr
    tables = read_tables(tmp_path / "results")
    images, clusters = tables["images"], tables["clusters"]
    assert set(images[images["collection"].ne("bad")]["status"]) == {"ok"}
    assert images[images["status"].eq("ok")]["blind_score"].notna().all()
    assert set(clusters["collection"]) == {"few", "same", "good"}
    assert clusters["distance"].notna().all()
    assert clusters[clusters["collection"].eq("same")]["cluster"].nunique() == 1
    log = next((tmp_path / "results/logs/few").glob("blind-*/fit.log")).read_text()
    assert "3 images are too few to learn from" in log
