"""Folders of data sets are recognised, complete or in part, and nothing else is."""

import shutil
from pathlib import Path

import pytest

from firstsight.collections.readers import list_images
from firstsight.errors import FirstsightError
from firstsight.papers.data_sets import DATA_SETS, find_data_sets
from paper_samples import draw, hku_dot, mask, mvtec


def parts(folder: Path) -> dict[str, str]:
    return {found.name: found.part for found in find_data_sets(folder)}


def test_folders_in_the_mvtec_layout_are_told_by_name_and_kinds(tmp_path: Path) -> None:
    hku_dot(tmp_path / "more", count=15)
    mvtec(tmp_path / "mvtec_anomaly_detection/tile", "good", "crack", "oil", train=True)
    mvtec(tmp_path / "mvtec_anomaly_detection/bottle", "broken_large", train=True)
    mvtec(tmp_path / "dtd/Blotchy_099", "good", "bad")
    mvtec(tmp_path / "texture_1", "good", "defective")
    mvtec(tmp_path / "mtd", "blowhole", "free")
    mvtec(tmp_path / "fabric02", "good", "006", "019")
    mvtec(tmp_path / "RSDDs_type2", "defect")
    # Of other kinds, or of other names.
    mvtec(tmp_path / "wood", "rot")
    mvtec(tmp_path / "tile_warped", "crack")
    mvtec(tmp_path / "dots", "stain", "hole")
    draw(tmp_path / "carpet/0.png")
    assert parts(tmp_path) == {
        "mvtec_ad_textures_tile": "3 of 117 images",
        "mvtec_ad_objects_bottle": "1 of 83 images",
        "dtd_synthetic_Blotchy_099": "",
        "woven_fabric_textures_texture_1": "",
        "aitex_fabric02": "one fabric of seven, cut by others",
        "magnetic_tile": "2 of 1344 images",
        "hku_fabric_dot": "",
        "rsdds_type2": "1 of 128 images",
    }
    assert parts(tmp_path / "more/hku_dot") == {"hku_fabric_dot": ""}


def test_sets_as_they_are_distributed_become_sheets(tmp_path: Path) -> None:
    draw(tmp_path / "MTD/MT_Free/Imgs/exp1.jpg")
    draw(tmp_path / "MTD/MT_Crack/Imgs/exp2.jpg")
    mask(tmp_path / "MTD/MT_Crack/Imgs/exp2.png")
    draw(tmp_path / "aitex/Defect_images/0001_002_00.png")
    draw(tmp_path / "aitex/Defect_images/0100_025_08.png")
    mask(tmp_path / "aitex/Mask_images/0001_002_00_mask.png")
    draw(tmp_path / "KolektorSDD/kos01/Part0.jpg")
    mask(tmp_path / "KolektorSDD/kos01/Part0_label.bmp")
    draw(tmp_path / "KolektorSDD2/test/20000.png")
    mask(tmp_path / "KolektorSDD2/test/20000_GT.png")
    for name in ("0001", "0002"):
        draw(tmp_path / f"DAGM/Class7/Test/{name}.PNG")
    mask(tmp_path / "DAGM/Class7/Test/Label/0001_label.PNG")
    draw(tmp_path / "Type-I RSDDs dataset/Rail surface images/rail_1.jpg")
    mask(tmp_path / "Type-I RSDDs dataset/GroundTruth/rail_1.jpg")
    found = {each.name: each for each in find_data_sets(tmp_path)}
    assert {
        name: [(row.image.name, row.mask and row.mask.name, row.label) for row in each.rows]
        for name, each in found.items()
    } == {
        "aitex": [("0001_002_00.png", "0001_002_00_mask.png", "002")],
        "magnetic_tile": [("exp2.jpg", "exp2.png", "crack"), ("exp1.jpg", None, "good")],
        "dagm_class7": [("0001.PNG", "0001_label.PNG", "defect"), ("0002.PNG", None, "good")],
        "ksdd": [("Part0.jpg", "Part0_label.bmp", "")],
        "ksdd2": [("20000.png", "20000_GT.png", "")],
        "rsdds_type1": [("rail_1.jpg", "rail_1.jpg", "defect")],
    }
    assert {each.layout for each in found.values()} == {"sheet"}
    assert found["ksdd"].part == "1 of 399 images"
    assert "not cut into squares" in found["aitex"].part


def test_a_folder_without_data_sets_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match=r"--data: nothing in .* is recognised as a data set of papers: MVTec AD"):
        find_data_sets(tmp_path)
    with pytest.raises(FirstsightError, match=r"--data: no such folder: .*nowhere"):
        find_data_sets(tmp_path / "nowhere")


def test_every_data_set_says_where_it_may_be_had() -> None:
    assert all(data_set.title and data_set.where for data_set in DATA_SETS.values())


def test_sets_beside_the_repository_are_recognised(shared: Path) -> None:
    found = find_data_sets(shared / "data")
    assert {each.name: each.part for each in found} == {
        "aitex_fabric02": "one fabric of seven, cut by others",
        "aitex_fabric03": "one fabric of seven, cut by others",
        "magnetic_tile": "256 of 1344 images",
        "hku_fabric_box": "",
        "hku_fabric_dot": "",
        "rsdds_type1": "",
    }
    assert all(list_images(each.path, each.layout) for each in found)


def test_a_folder_that_cannot_be_entered_is_passed_over(tmp_path: Path) -> None:
    folder = hku_dot(tmp_path)
    shutil.copytree(folder, tmp_path / ".hidden/hku_box")
    assert parts(tmp_path) == {"hku_fabric_dot": "2 of 30 images"}
