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

from firstsight.detectors.registry import DETECTORS
from firstsight.errors import FirstsightError
from firstsight.plan.collections import CollectionPlan
from firstsight.plan.loading import load_settings
from firstsight.plan.run import plan_run
from firstsight.storage.table_schemas import SCHEMAS
from firstsight.storage.tables import write_table

ROOT = Path(__file__).resolve().parents[2]
NO_PERCEPTION = {"w_rec": 1.0, "w_perc": 0.0}


def plan(folder: Path, **config: Any) -> CollectionPlan:
    overrides = {"results": str(folder / "results"), "collections": {"pile": {"path": str(folder / "pile")}}, **config}
    settings = load_settings(ROOT / "config.yaml", overrides)
    return next(iter(plan_run(settings).collections.values()))


def contaminated(folder: Path) -> dict[str, Any]:
    return {"pile": {"path": str(folder / "pile"), "contaminated": True}}


def layers_of(planned: CollectionPlan) -> tuple[str, ...]:
    return planned.layers_of(planned.features_folder)


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
        ({"detectors": {"x": {"method": "nothing"}}}, "detectors.x.method: unknown detector 'nothing'"),
        ({"detectors": {"fca": {"patchsize": 3}}}, "detectors.fca.patchsize: unknown key; did you mean patch_size?"),
        (
            {"detectors": {"fca": {"layers": ["layer2"]}}},
            "collections.pile.detectors.fca.layers: laws has no layer 'layer2'",
        ),
        (
            {"features": {"extractor": "resnet"}},
            "features.extractor: 'resnet' is no extractor; did you mean resnet18?",
        ),
        (
            {"features": {"weights": "IMAGENET1K_V1"}},
            "collections.pile.features.weights: extractor laws has no weights",
        ),
        (
            {"features": {"extractor": "resnet18", "weights": "gone.pth"}},
            "collections.pile.features.weights: the weights of resnet18 are not",
        ),
        (
            {"collections": {"pile": {"path": "no/where"}}},
            f"collections.pile.path: no such file or folder: no/where (looked for at {Path.cwd() / 'no/where'})",
        ),
    ],
)
def test_a_mistake_is_one_line(folder: Path, config: Any, message: str) -> None:
    with pytest.raises(FirstsightError) as caught:
        plan(folder, **config)
    assert str(caught.value).startswith(f"config: {message}")
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
    planned = plan_run(load_settings(ROOT / "config.yaml", overrides))
    pile, fresh = planned.collections["pile"], planned.collections["fresh"]
    assert (pile.is_new, pile.known) == (False, "pile")
    assert (fresh.is_new, fresh.known) == (True, "pile")
    assert fresh.detectors == pile.detectors


def test_studies_have_features_and_folders_of_their_own(folder: Path) -> None:
    network = {"extractor": "resnet18", "weights": str(folder / "weights.pth")}
    (folder / "weights.pth").write_bytes(b"0")
    planned = plan(folder, features=network)
    assert layers_of(planned) == ("layer1", "layer2")
    study = planned.studies["ablation"].detectors
    assert planned.layers_of(study["blind"].features) == ("layer2", "layer3")
    assert study["blind"] == plan(folder, features=network, detectors={"blind": {}}).detectors["blind"]
    folders = [detector.folder for detector in (*planned.detectors.values(), *study.values())]
    assert len(set(folders)) == len(folders)
    assert planned.detector_in(study["only_fca"].folder) == study["only_fca"]


def test_studies_change_the_settings_of_the_config(folder: Path) -> None:
    configured = {
        "blind": {"epochs": 2, "neighbours": True},
        "cfa": {"epochs": 3},
        "other": {"method": "padim", "sigma": 1},
    }
    studies = plan(folder, detectors={"fca": {}, **configured}, collections=contaminated(folder)).studies
    only_fca = studies["ablation"].detectors["only_fca"].settings
    assert (only_fca["epochs"], only_fca["neighbours"]) == (2, False)
    table = studies["reference_table"].detectors
    assert (table["cfa_pfam"].settings["epochs"], table["cfa_pfam"].settings["pfam"]) == (3, True)
    assert table["padim"].settings["sigma"] == 4


def test_a_detector_without_its_weights_is_set_aside(folder: Path) -> None:
    absent = {"weights": str(folder / "absent.pth")}
    planned = plan(
        folder, detectors={"fca": {}, "ssdnet": absent, "plain": {"method": "ssdnet", **absent, **NO_PERCEPTION}}
    )
    assert list(planned.detectors) == ["fca", "plain"]
    assert planned.own.set_aside["ssdnet"].startswith("detectors.ssdnet.weights: the weights of vgg19 are not there")
    compared = planned.studies["compare"]
    assert "grnr" in compared.detectors
    learn_what_is_normal = [name for name, detector in DETECTORS.items() if detector.normal]
    assert list(compared.set_aside) == [*learn_what_is_normal, "ssdnet"]
    with pytest.raises(FirstsightError, match="unknown weights 'IMAGENET'"):
        plan(folder, detectors={"ssdnet": {"weights": "IMAGENET"}})


def test_the_comparison_has_every_detector_with_the_settings_of_the_config(folder: Path) -> None:
    planned = plan(folder, detectors={"fca": {"patch_size": 5}, "small": {"method": "fca", "patch_size": 3}})
    compared = planned.studies["compare"].detectors
    assert set(compared) == {*DETECTORS, "small"} - set(planned.studies["compare"].set_aside)
    assert (compared["fca"].settings["patch_size"], compared["small"].settings["patch_size"]) == (5, 3)
    assert compared["moments"].settings == DETECTORS["moments"].settings().model_dump()


def test_a_detectors_own_weights_are_in_its_fingerprint(folder: Path) -> None:
    weights = folder / "vgg.pth"
    found = set()
    for content in (b"0", b"1"):
        weights.write_bytes(content)
        found.add(plan(folder, detectors={"ssdnet": {"weights": str(weights)}}).detectors["ssdnet"].fingerprint)
    assert len(found) == 2
    with pytest.raises(FirstsightError, match=r"detectors\.ssdnet\.weights: "):
        plan(folder, detectors={"ssdnet": {"weights": str(folder / "absent.pth")}})


@pytest.fixture
def good(folder: Path) -> Path:
    """The folder with normal images in ``good``: one of its own, and a link to an image of the pile."""
    (folder / "good").mkdir()
    Image.new("L", (20, 20), 7).save(folder / "good/a.png")
    (folder / "good/b.png").symlink_to(folder / "pile/3.png")
    return folder


def with_normal(folder: Path, detectors: Any = None, **entry: Any) -> CollectionPlan:
    entries = {"pile": {"path": str(folder / "pile"), **entry}}
    return plan(folder, collections=entries, detectors=detectors or {"padim": {}}, images_per_job=3)


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


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "pile.detectors.padim: padim learns from normal images: give the collection a reference"),
        ({"reference": "nowhere"}, "pile.reference: no such file or folder: nowhere"),
        ({"reference": "EMPTY"}, "pile.reference: no images in "),
        ({"reference": "good", "contaminated": True}, "pile.reference: normal images, and contaminated: true, exclude"),
        ({"reference": "PILE"}, "pile.reference: every image of the collection is a reference image"),
    ],
)
def test_a_mistake_about_normal_images_is_one_line(good: Path, entry: Any, message: str) -> None:
    (good / "empty").mkdir()
    places = {"EMPTY": str(good / "empty"), "PILE": str(good / "pile")}
    with pytest.raises(FirstsightError) as caught:
        with_normal(good, **{key: places.get(value, value) for key, value in entry.items()})
    assert str(caught.value).startswith(f"config: collections.{message}")
    assert "\n" not in str(caught.value)


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


def test_features_of_a_tuned_extractor_have_a_folder_of_their_own(good: Path) -> None:
    (good / "weights.pth").write_bytes(b"0")
    network = {"extractor": "resnet18", "weights": str(good / "weights.pth")}
    detectors = {"shaped": {"method": "patchcore", "sbm": True}, "fca": {}, "padim": {}}
    planned = with_normal(good, detectors, reference=str(good / "good"), features=network)
    shaped, fca, padim = (planned.detectors[name] for name in detectors)
    assert list(planned.detectors) == list(detectors)
    assert fca.features == padim.features != shaped.features
    assert planned.layers_of(fca.features) == ("layer1", "layer2", "layer3")
    assert planned.layers_of(shaped.features) == ("layer2", "layer3")
    assert (planned.tuning_of(shaped.features) or {})["layer"] == "layer3"
    assert planned.tuning_of(fca.features) is None
    itself = with_normal(good, detectors, contaminated=True, features=network)
    assert itself.detectors["shaped"].features != shaped.features
    assert itself.detectors["fca"].folder == fca.folder
    assert itself.detectors["padim"].folder != padim.folder


def test_an_extractor_without_weights_cannot_be_tuned(good: Path) -> None:
    with pytest.raises(FirstsightError, match=r"^config: collections\.pile\.detectors\.cfa\.sbm: laws has no weights"):
        with_normal(good, {"cfa": {"sbm": True}}, reference=str(good / "good"))


def test_the_reference_table_compares_what_a_collection_allows(good: Path) -> None:
    (good / "weights.pth").write_bytes(b"0")
    network = {"extractor": "resnet18", "weights": str(good / "weights.pth")}
    methods = ["padim", "patchcore", "cfa"]
    plain = [f"{method}{more}" for method in methods for more in ("", "_pfam")]

    def names(**entry: Any) -> list[str]:
        return list(with_normal(good, {"fca": {}}, **entry).studies["reference_table"].detectors)

    assert names() == []
    assert names(contaminated=True) == names(reference=str(good / "good")) == plain
    every = [f"{method}{more}" for method in methods for more in ("", "_pfam", "_sbm", "_sbm_pfam")]
    assert names(contaminated=True, features=network) == every
