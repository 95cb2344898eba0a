"""The plan of one collection: its images, its shards, and what changes with its files."""

import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from firstsight.errors import FirstsightError
from firstsight.plan.collections import SAMPLED_MASKS, CollectionPlan
from firstsight.plan.loading import load_settings
from firstsight.plan.run import plan_run
from firstsight.storage.table_schemas import SCHEMAS
from firstsight.storage.tables import write_table
from planning import ROOT, plan, with_normal


def test_images_are_cut_into_shards(folder: Path) -> None:
    planned = plan(folder, images_per_job=2)
    assert sorted(planned.shards.values()) == [("0.png", "1.png"), ("2.png", "3.png"), ("4.png",)]
    assert planned == plan(folder, images_per_job=2)


def test_the_size_of_shards_follows_the_size_of_files(folder: Path) -> None:
    for number in range(1200):
        (folder / f"pile/{number}.jpg").hardlink_to(folder / "pile/0.png")
    assert len(plan(folder).shards) == 9
    with open(folder / "pile/0.png", "ab") as file:
        file.truncate(2**20)
    assert len(plan(folder).shards) == -(-1205 // 32)
    with h5py.File(folder / "stack.h5", "w") as file:
        file["images"] = np.zeros((1200, 8, 8), np.uint8)
    assert len(plan(folder, collections={"pile": {"path": str(folder / "stack.h5")}}).shards) == 8


def test_finished_shards_keep_their_members(folder: Path) -> None:
    first = plan(folder, images_per_job=2)
    shard = next(name for name, members in first.shards.items() if members == ("2.png", "3.png"))
    members = folder / "results/pile/shards" / shard / "members.json"
    members.parent.mkdir(parents=True)
    members.write_text(json.dumps(["2.png", "3.png"]))
    (folder / "pile/1.png").rename(folder / "pile/2b.png")
    again = plan(folder, images_per_job=2)
    assert again.shards[shard] == ("2.png", "3.png")
    assert sorted(again.shards.values()) == [("0.png", "2b.png"), ("2.png", "3.png"), ("4.png",)]


@pytest.mark.parametrize("damage", ["{", "", "null", '["2.png", "4.png"]', "7", "[[1]]"])
def test_damaged_members_are_told_from_the_manifest(folder: Path, damage: str) -> None:
    first = plan(folder, images_per_job=2)
    shard = next(name for name, members in first.shards.items() if members == ("2.png", "3.png"))
    place = folder / "results/pile/shards" / shard
    images = [{"collection": "pile", "image": name, "path": name, "status": "ok"} for name in ("2.png", "3.png")]
    write_table(place / "images.parquet", "images", [dict.fromkeys(SCHEMAS["images"].names) | row for row in images])
    (place / "members.json").write_text(damage)
    Image.new("L", (20, 20)).save(folder / "pile/0b.png")
    assert plan(folder, images_per_job=2).shards[shard] == ("2.png", "3.png")
    (place / "images.parquet").write_bytes(b"")
    assert shard not in plan(folder, images_per_job=2).shards, "nobody knows who was in it"


def test_a_stamp_changes_with_its_file_and_only_then(folder: Path) -> None:
    shard = next(iter(plan(folder).shards))
    before = plan(folder).shard_files(shard)
    assert plan(folder).shard_files(shard) == before
    Image.new("L", (30, 20), 9).save(folder / "pile/3.png")
    after = plan(folder).shard_files(shard)
    assert [row["image"] for row, old in zip(after, before, strict=True) if row != old] == ["3.png"]


def test_files_of_one_size_and_time_that_swap_names_change_their_stamps(folder: Path) -> None:
    pile = folder / "pile"
    for number in (11, 12):
        Image.new("L", (20, 20), number).save(pile / f"{number}.bmp")
        os.utime(pile / f"{number}.bmp", (1_700_000_000, 1_700_000_000))
    shard = next(iter(plan(folder).shards))
    before = plan(folder).shard_files(shard)
    (pile / "11.bmp").rename(pile / "x")
    (pile / "12.bmp").rename(pile / "11.bmp")
    (pile / "x").rename(pile / "12.bmp")
    swapped = [row["image"] for row, old in zip(plan(folder).shard_files(shard), before, strict=True) if row != old]
    assert swapped == ["11.bmp", "12.bmp"]
    time = os.stat(pile / "11.bmp")
    (pile / "11.bmp").write_bytes((pile / "12.bmp").read_bytes())
    os.utime(pile / "11.bmp", ns=(time.st_atime_ns, time.st_mtime_ns))
    written = [row["image"] for row, old in zip(plan(folder).shard_files(shard), before, strict=True) if row != old]
    assert written == ["11.bmp", "12.bmp"], "in place, too"


def test_chunks_that_swap_names_change_the_stamp(tmp_path: Path) -> None:
    zarr.create_array(
        tmp_path / "pile.zarr", data=np.arange(32, dtype=np.uint8).reshape(2, 4, 4), chunks=(2, 2, 4), compressors=None
    )
    collections = {"pile": {"path": str(tmp_path / "pile.zarr")}}
    planned = plan(tmp_path, collections=collections)
    shard = next(iter(planned.shards))
    before = planned.shard_files(shard)
    chunks = sorted(path for path in (tmp_path / "pile.zarr/c").rglob("*") if path.is_file())
    assert len(chunks) == 2
    for chunk in chunks:
        os.utime(chunk, (1_700_000_000, 1_700_000_000))
    after = planned.shard_files(shard)
    chunks[0].rename(tmp_path / "x")
    chunks[1].rename(chunks[0])
    (tmp_path / "x").rename(chunks[1])
    stamps = [[row["stamp"] for row in rows] for rows in (before, after, planned.shard_files(shard))]
    assert stamps[0] != stamps[1] != stamps[2]


@pytest.mark.parametrize("kind", ["hdf5", "zarr", "tiff_stack"])
def test_the_stamp_of_an_image_in_a_stack_is_that_of_its_file(tmp_path: Path, kind: str) -> None:
    def write(count: int) -> str:
        values = np.random.default_rng(0).integers(0, 255, (count, 20, 20)).astype(np.uint8)
        if kind == "hdf5":
            with h5py.File(tmp_path / "pile.h5", "w") as file:
                file["images"] = values
        elif kind == "zarr":
            zarr.create_array(tmp_path / "pile.zarr", name="images", data=values, overwrite=True, chunks=(1, 20, 20))
        else:
            tifffile.imwrite(tmp_path / "pile.tif", values, photometric="minisblack")
        return {"hdf5": "pile.h5:/images", "zarr": "pile.zarr", "tiff_stack": "pile.tif"}[kind]

    collections = {"pile": {"path": str(tmp_path / write(2)), "layout": kind}}
    planned = plan(tmp_path, collections=collections)
    shard = next(iter(planned.shards))
    before = planned.shard_files(shard)
    assert all(row["stamp"] for row in before)
    assert plan(tmp_path, collections=collections).shard_files(shard) == before
    write(3)
    # The chunks of Zarr are written anew here too.
    assert all(row["stamp"] != old["stamp"] for row, old in zip(planned.shard_files(shard), before, strict=True))
    assert len(plan(tmp_path, collections=collections).files) == 3


def test_zarr_grows_without_new_stamps(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "pile.zarr", data=np.ones((2, 8, 8), np.uint8), chunks=(1, 8, 8))
    collections = {"pile": {"path": str(tmp_path / "pile.zarr")}}
    planned = plan(tmp_path, collections=collections)
    shard = next(iter(planned.shards))
    before = planned.shard_files(shard)
    array.append(np.full((1, 8, 8), 7, np.uint8))
    assert planned.shard_files(shard) == before
    array[1] = 9
    assert [row["image"] for row, old in zip(planned.shard_files(shard), before, strict=True) if row != old] == [
        "pile/00001"
    ]


def test_a_data_set_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "pile.h5", "w") as file:
        file["tiles"] = np.zeros((2, 8, 8), np.uint8)
    with pytest.raises(
        FirstsightError, match=r"^config: collections.pile.path: .*pile.h5: no data set /images; there are tiles$"
    ):
        plan(tmp_path, collections={"pile": {"path": f"{tmp_path}/pile.h5:/images"}})


def test_a_demo_is_planned_before_it_is_made(tmp_path: Path) -> None:
    demo = {"collections": {"demo": {"layout": "demo", "texture": "grass"}}}
    planned = plan(tmp_path, **demo)
    assert len(planned.files) > 10
    assert not (tmp_path / "results").exists()
    shard = next(iter(planned.shards))
    assert all(row["stamp"] is None for row in planned.shard_files(shard))


def test_new_images_lie_beside_what_they_are_held_against(folder: Path) -> None:
    (folder / "later").mkdir()
    Image.new("L", (20, 20)).save(folder / "later/x.png")
    entries = {"pile": {"path": str(folder / "pile")}, "fresh": {"path": str(folder / "later"), "assign_to": "pile"}}
    overrides = {"results": str(folder / "results"), "collections": entries, "detectors": {"blind": {}}}
    planned = plan_run(load_settings(ROOT / "config.yaml", overrides))
    pile, fresh = planned.collections["pile"], planned.collections["fresh"]
    assert (pile.is_new, pile.known) == (False, "pile")
    assert (fresh.is_new, fresh.known) == (True, "pile")
    assert fresh.detectors == pile.detectors


def test_reference_images_have_shards_of_their_own_and_are_not_searched(good: Path) -> None:
    planned = with_normal(good, reference=str(good / "good"))
    assert list(planned.shards.values()) == [("0.png", "1.png", "2.png"), ("4.png",)]
    assert list(planned.reference_shards.values()) == [("reference/a.png", "reference/b.png")]
    detector = planned.detectors["padim"]
    assert planned.learned_shards(detector) == planned.reference_shards
    rows = planned.shard_files(next(iter(planned.reference_shards)))
    assert [row["path"] for row in rows] == [str(good / "good/a.png"), str(good / "good/b.png")]
    assert with_normal(good, {"blind": {}}, reference=str(good / "good")).detectors["blind"].normal is False


def test_finished_shards_of_reference_images_keep_their_members(good: Path) -> None:
    first = with_normal(good, reference=str(good / "good"))
    shard = next(iter(first.reference_shards))
    members = good / "results/pile/shards" / shard / "members.json"
    members.parent.mkdir(parents=True)
    members.write_text(json.dumps(["reference/a.png", "reference/b.png"]))
    Image.new("L", (20, 20), 9).save(good / "good/0.png")
    again = with_normal(good, reference=str(good / "good"))
    assert again.reference_shards[shard] == ("reference/a.png", "reference/b.png")
    assert sorted(again.reference_shards.values())[0] == ("reference/0.png",)
    assert again.shards == first.shards


def test_ids_of_reference_images_are_no_others(good: Path) -> None:
    (good / "pile/reference").mkdir()
    Image.new("L", (20, 20), 5).save(good / "pile/reference/a.png")
    planned = with_normal(good, reference=str(good / "good"))
    assert ("_reference/a.png", "_reference/b.png") in planned.reference_shards.values()
    within = with_normal(good, reference=str(good / "pile/reference"))
    assert "reference/a.png" in {image for shard in within.reference_shards.values() for image in shard}
    assert not any(image.startswith("reference") for shard in within.shards.values() for image in shard)


def test_train_good_of_the_mvtec_layout_is_found(folder: Path) -> None:
    for place in ("test/good", "train/good"):
        (folder / "mv" / place).mkdir(parents=True)
        Image.new("L", (20, 20), len(place)).save(folder / "mv" / place / "a.png")
    entries = {"pile": {"path": str(folder / "mv")}}
    planned = plan(folder, collections=entries, detectors={"padim": {}})
    assert list(planned.reference_shards.values()) == [("train/good/a.png",)]
    assert list(planned.shards.values()) == [("test/good/a.png",)]
    itself = plan(folder, collections={"pile": {**entries["pile"], "contaminated": True}}, detectors={"padim": {}})
    assert itself.reference_shards == {}
    assert itself.learned_shards(itself.detectors["padim"]) == itself.shards
    flat = plan(folder, collections={"pile": {**entries["pile"], "layout": "folder"}})
    assert flat.reference_shards == {}


def test_new_images_have_no_normal_images_of_their_own(good: Path) -> None:
    pile = {"path": str(good / "pile"), "reference": str(good / "good")}
    fresh = {"path": str(good / "good"), "assign_to": "pile"}

    def planned(**more: Any) -> dict[str, CollectionPlan]:
        overrides = {
            "results": str(good / "results"),
            "collections": {"pile": pile, "fresh": {**fresh, **more}},
            "detectors": {"padim": {}},
        }
        settings = load_settings(ROOT / "config.yaml", overrides)
        return plan_run(settings).collections

    found = planned()
    assert found["fresh"].detectors == found["pile"].detectors
    assert (found["fresh"].reference_shards, list(found["fresh"].shards.values())) == ({}, [("a.png", "b.png")])
    for key, value in {"reference": "x", "contaminated": True}.items():
        with pytest.raises(FirstsightError, match=rf"collections\.fresh\.{key}: new images are treated as those of"):
            planned(**{key: value})


def masked(folder: Path, count: int) -> Path:
    """Empty files in the MVTec layout: images with a mask each, and one without an anomaly."""
    names = [f"{place}/cut/{number}.png" for number in range(count) for place in ("test", "ground_truth")]
    for name in [*names, "test/fine/0.png", "train/fine/1.png"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_what_the_config_says_of_labels_and_masks(tmp_path: Path) -> None:
    path = str(masked(tmp_path / "set", 2))
    planned = plan(tmp_path, collections={"set": {"path": path}})
    assert planned.remarks[0] == "no label is called normal; the labels are cut, fine; normal_label says which is"
    assert not planned.reference_shards
    planned = plan(
        tmp_path, collections={"set": {"path": path, "normal_label": "Fine", "mask": {"positive": [3, 0.5]}}}
    )
    assert planned.remarks == ()
    assert [*planned.reference_shards.values()] == [("train/fine/1.png",)]
    assert planned.settings.mask.positive == (3, 0.5)
    (shard,) = planned.shards
    rows = {row["image"]: (row["normal"], row["masks"]) for row in planned.shard_truth(shard)}
    assert rows == {
        "test/cut/0.png": (False, [f"{path}/ground_truth/cut/0.png"]),
        "test/cut/1.png": (False, [f"{path}/ground_truth/cut/1.png"]),
        "test/fine/0.png": (True, []),
    }
    numbers = plan(tmp_path, collections={"set": {"path": path, "normal_label": [7, "fine"]}})
    assert numbers.settings.normal_labels == ("7", "fine")
    planned = plan(tmp_path, collections={"set": {"path": path, "mask": {"pattern": "*/cut/{stem}.png"}}})
    assert [file.image for file in planned.files.values()] == ["test/fine/0.png"]


def test_times_are_those_of_files_where_they_are_asked_for(tmp_path: Path) -> None:
    path = masked(tmp_path / "set", 1)
    os.utime(path / "test/cut/0.png", (0, 10**9))
    for when, times in ((None, {None}), ("files", {"2001-09-09T01:46:40"})):
        planned = plan(tmp_path, collections={"set": {"path": str(path), "when": when}})
        (shard,) = planned.shards
        rows = {row["image"]: row.get("time") for row in planned.shard_truth(shard)}
        assert {rows["test/cut/0.png"]} == times


def test_what_masks_mean_is_found_from_a_sample_that_seldom_changes(tmp_path: Path) -> None:
    config = {"set": {"path": str(masked(tmp_path / "set", 100))}}
    before = plan(tmp_path, collections=config).mask_sample
    assert len(before) == SAMPLED_MASKS
    assert all(row["stamp"] for row in before)
    masked(tmp_path / "set", 102)
    after = plan(tmp_path, collections=config).mask_sample
    assert len({row["mask"] for row in before} & {row["mask"] for row in after}) >= SAMPLED_MASKS - 2
    mask = str(after[0]["mask"])
    Path(mask).write_bytes(b"0")
    changed = plan(tmp_path, collections=config).mask_sample
    assert [row["mask"] for row, old in zip(changed, after, strict=True) if row != old] == [mask]


def test_results_below_the_images_are_no_part_of_them(folder: Path) -> None:
    for name in ("overlays/0.png", "exports/masks/1.png"):
        (folder / "pile/results" / name).parent.mkdir(parents=True)
        (folder / "pile/results" / name).touch()
    planned = plan(folder, results=str(folder / "pile/results"))
    assert [(file.image, file.masks) for file in planned.files.values()] == [
        (f"{number}.png", ()) for number in range(5)
    ]
    below = {"pile": {"path": str(folder / "pile/results/overlays")}}
    assert list(plan(folder, results=str(folder / "pile/results"), collections=below).files) == ["0.png"]


def test_ignored_pixels_are_those_of_normal_images_too(good: Path) -> None:
    edge = good / "edge.png"
    Image.new("1", (20, 20)).save(edge)
    planned = with_normal(good, reference=str(good / "good"), ignore=str(edge))
    (normal,), (shard, _) = planned.reference_shards, planned.shards
    before = [row for key in (shard, normal) for row in planned.shard_files(key)]
    assert {row["ignored"] for row in before} == {str(edge)}
    Image.new("1", (20, 20), 1).save(edge)
    os.utime(edge, (0, 0))
    assert all(
        row["ignored_stamp"] != old["ignored_stamp"]
        for row, old in zip(planned.shard_files(shard), before, strict=False)
    )
    (good / "edges").mkdir()
    Image.new("1", (20, 20)).save(good / "edges/4.png")
    Image.new("1", (20, 20)).save(good / "edges/9.png")
    planned = with_normal(good, reference=str(good / "good"), ignore=str(good / "edges"))
    assert planned.remarks == ("1 mask of ignored pixels fits no image: 9.png",)
    with pytest.raises(FirstsightError, match=r"^config: collections\.pile\.ignore: no such file or folder: .*gone"):
        with_normal(good, ignore=str(good / "gone"))
