"""The plan of a run: shards, layers and fingerprints, and mistakes that only the plan can see."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from firstsight.config import load_settings
from firstsight.errors import FirstsightError
from firstsight.planning import CollectionPlan, plan_run

ROOT = Path(__file__).resolve().parents[1]


def plan(folder: Path, **config: Any) -> CollectionPlan:
    overrides = {"results": str(folder / "results"), "collections": {"pile": {"path": str(folder / "pile")}}, **config}
    settings = load_settings(ROOT / "config.yaml", overrides, ROOT / "workflow/schemas/config.schema.yaml")
    return next(iter(plan_run(settings).collections.values()))


def layers_of(planned: CollectionPlan) -> tuple[str, ...]:
    return planned.features[planned.features_folder]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pile").mkdir()
    for number in range(5):
        values = np.random.default_rng(number).integers(0, 255, (20, 20)).astype(np.uint8)
        Image.fromarray(values).save(tmp_path / f"pile/{number}.png")
    return tmp_path


def test_images_are_cut_into_shards(folder: Path) -> None:
    planned = plan(folder, images_per_job=2)
    assert sorted(planned.shards.values()) == [("0.png", "1.png"), ("2.png", "3.png"), ("4.png",)]
    assert planned == plan(folder, images_per_job=2)


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


def test_damaged_members_are_one_line(folder: Path) -> None:
    members = folder / "results/pile/shards/0123456789/members.json"
    members.parent.mkdir(parents=True)
    members.write_text("{")
    with pytest.raises(FirstsightError, match=r"members.json is damaged"):
        plan(folder)


def test_a_stamp_changes_with_its_file_and_only_then(folder: Path) -> None:
    shard = next(iter(plan(folder).shards))
    before = plan(folder).shard_files(shard)
    assert plan(folder).shard_files(shard) == before
    Image.new("L", (30, 20), 9).save(folder / "pile/3.png")
    after = plan(folder).shard_files(shard)
    assert [row["image"] for row, old in zip(after, before, strict=True) if row != old] == ["3.png"]


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
        FirstsightError, match=r"^config: collections.pile: .*pile.h5: no data set /images; there are tiles$"
    ):
        plan(tmp_path, collections={"pile": {"path": f"{tmp_path}/pile.h5:/images"}})


def test_a_demo_is_planned_before_it_is_made(tmp_path: Path) -> None:
    demo = {"collections": {"demo": {"layout": "demo", "texture": "grass"}}}
    planned = plan(tmp_path, **demo)
    assert len(planned.files) > 10
    assert not (tmp_path / "results").exists()
    shard = next(iter(planned.shards))
    assert all(row["stamp"] is None for row in planned.shard_files(shard))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"features": {"border": "paper"}}),
        ({}, {"features": {"image_size": 64}}),
        ({"features": {"image_size": 64}}, {"features": {"image_size": [64, 65]}}),
        ({}, {"features": {"dtype": "float32"}}),
        ({}, {"features": {"extractor": "wide_resnet50_2"}}),
        (
            {"features": {"extractor": "wide_resnet50_2", "weights": "IMAGENET1K_V1"}},
            {"features": {"extractor": "wide_resnet50_2", "weights": "IMAGENET1K_V2"}},
        ),
        (
            {"features": {"extractor": "resnet18"}},
            {"features": {"extractor": "resnet18"}, "detectors": {"fca": {"layers": ["layer3"]}}},
        ),
    ],
)
def test_another_setting_of_the_features_is_another_path(folder: Path, one: Any, other: Any) -> None:
    first, second = plan(folder, **one), plan(folder, **other)
    assert first.features_folder != second.features_folder
    assert first.detectors["fca"].folder != second.detectors["fca"].folder


def test_a_setting_of_a_detector_is_another_path_of_the_detector_alone(folder: Path) -> None:
    first, second = plan(folder), plan(folder, detectors={"fca": {"patch_size": 5}})
    assert first.features_folder == second.features_folder
    assert first.detectors["fca"].folder != second.detectors["fca"].folder


def test_a_device_is_no_part_of_a_path(folder: Path) -> None:
    assert plan(folder).features_folder == plan(folder, features={"device": "cpu"}).features_folder


def test_only_the_layers_that_detectors_read(folder: Path) -> None:
    network = {"features": {"extractor": "resnet18"}}
    assert layers_of(plan(folder, **network)) == ("layer1", "layer2")
    detectors = {
        "deep": {"method": "fca", "layers": ["layer3"]},
        "both": {"method": "fca", "layers": ["layer3", "layer1"]},
    }
    planned = plan(folder, **network, detectors=detectors)
    assert layers_of(planned) == ("layer1", "layer3")
    assert planned.detectors["deep"].layers == ("layer3",)
    assert planned.detector_in(planned.detectors["both"].folder).name == "both"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"detectors": {"fac": {}}}, "detectors.fac: unknown detector 'fac'; did you mean fca?"),
        ({"detectors": {"x": {"method": "nothing"}}}, "detectors.x: unknown detector 'nothing'"),
        ({"detectors": {"fca": {"patchsize": 3}}}, "detectors.fca.patchsize: unknown key; did you mean patch_size?"),
        ({"detectors": {"fca": {"layers": ["layer2"]}}}, "detectors.fca.layers: laws has no layer 'layer2'"),
        (
            {"features": {"extractor": "resnet"}},
            "features.extractor: unknown extractor 'resnet'; did you mean resnet18?",
        ),
        ({"features": {"weights": "IMAGENET1K_V1"}}, "features.weights: extractor laws has no weights"),
        (
            {"features": {"extractor": "resnet18", "weights": "gone.pth"}},
            "features.weights: the weights of resnet18 are not",
        ),
        ({"collections": {"pile": {"path": "no/where"}}}, ""),
    ],
)
def test_a_mistake_is_one_line(folder: Path, config: Any, message: str) -> None:
    with pytest.raises(FirstsightError) as caught:
        plan(folder, **config)
    assert str(caught.value).startswith(f"config: collections.pile: {message}")
    assert "\n" not in str(caught.value)


def test_weights_by_file_count_by_their_content(folder: Path, tmp_path: Path) -> None:
    for name in ("a.pth", "b.pth", "c.pth"):
        (tmp_path / name).write_bytes(b"one" if name != "c.pth" else b"other")
    a, b, c = (
        plan(folder, features={"extractor": "resnet18", "weights": str(tmp_path / name)}).features_folder
        for name in ("a.pth", "b.pth", "c.pth")
    )
    assert a == b
    assert a != c


def test_weights_by_name(folder: Path) -> None:
    assert plan(folder).weights == "none"
    assert plan(folder, features={"extractor": "resnet18"}).weights == "IMAGENET1K_V1"
    named = {"extractor": "wide_resnet50_2", "weights": "IMAGENET1K_V2"}
    assert plan(folder, features=named).weights == "IMAGENET1K_V2"


def test_settings_are_plain_values(folder: Path) -> None:
    detector = plan(folder).detectors["fca"]
    assert json.loads(json.dumps(detector.settings))["sigma_p"] == 3
    assert replace(detector, name="x").folder == f"x-{detector.fingerprint}"


def test_new_images_lie_beside_what_they_are_held_against(folder: Path) -> None:
    (folder / "later").mkdir()
    Image.new("L", (20, 20)).save(folder / "later/x.png")
    entries = {"pile": {"path": str(folder / "pile")}, "fresh": {"path": str(folder / "later"), "assign_to": "pile"}}
    overrides = {"results": str(folder / "results"), "collections": entries, "detectors": {"blind": {}}}
    planned = plan_run(load_settings(ROOT / "config.yaml", overrides, ROOT / "workflow/schemas/config.schema.yaml"))
    pile, fresh = planned.collections["pile"], planned.collections["fresh"]
    assert (pile.is_new, pile.known) == (False, "pile")
    assert (fresh.is_new, fresh.known) == (True, "pile")
    assert fresh.detectors == pile.detectors


def test_studies_have_features_and_folders_of_their_own(folder: Path) -> None:
    network = {"extractor": "resnet18", "weights": str(folder / "weights.pth")}
    (folder / "weights.pth").write_bytes(b"0")
    planned = plan(folder, features=network)
    assert layers_of(planned) == ("layer1", "layer2")
    study = planned.studies["ablation"]
    assert planned.features[study["blind"].features] == ("layer2", "layer3")
    assert study["blind"] == plan(folder, features=network, detectors={"blind": {}}).detectors["blind"]
    folders = [detector.folder for detector in (*planned.detectors.values(), *study.values())]
    assert len(set(folders)) == len(folders)
    assert planned.detector_in(study["only_fca"].folder) == study["only_fca"]


def test_a_detectors_own_weights_are_in_its_fingerprint(folder: Path) -> None:
    weights = folder / "vgg.pth"
    found = set()
    for content in (b"0", b"1"):
        weights.write_bytes(content)
        found.add(plan(folder, detectors={"ssdnet": {"weights": str(weights)}}).detectors["ssdnet"].fingerprint)
    assert len(found) == 2
    with pytest.raises(FirstsightError, match=r"detectors\.ssdnet\.weights: "):
        plan(folder, detectors={"ssdnet": {"weights": str(folder / "absent.pth")}})
