"""The config a user writes: what is filled in, what is replaced, and how a mistake reads."""

import re
from pathlib import Path
from typing import Any

import pytest

from firstsight.errors import ConfigError, FirstsightError
from firstsight.plan.loading import detector_settings, load_settings, merge_config
from firstsight.plan.settings import Config, DetectorEntry
from firstsight.plan.threshold_settings import FalseAlarmRate, Fixed, Otsu

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS = ROOT / "config.yaml"


def load(overrides: dict[str, Any]) -> Config:
    return load_settings(DEFAULTS, overrides)


def test_default_config_is_the_three_demo_collections_with_a_network_that_is_installed() -> None:
    settings = load({})
    assert list(settings.collections) == ["demo_brick", "demo_grass", "demo_gravel"]
    for collection in settings.collections.values():
        assert collection.features.extractor == "efficientnet_lite0"
        assert collection.features.weights is None
        assert collection.images_per_job == "auto"
        assert list(collection.detectors) == ["blind"]


def test_collections_and_detectors_of_the_user_replace_the_defaults() -> None:
    settings = load(
        {"collections": {"mine": {"path": "x"}}, "detectors": {"small": {"method": "fca", "patch_size": 5}}}
    )
    assert list(settings.collections) == ["mine"]
    mine = settings.collections["mine"]
    assert mine.path == Path("x")
    assert mine.layout == "auto"
    assert list(mine.detectors) == ["small"]
    assert mine.detectors["small"].method == "fca"
    assert mine.detectors["small"].given == {"patch_size": 5}


def test_other_keys_fall_back_one_by_one() -> None:
    settings = load({"collections": {"mine": {"path": "x"}}, "features": {"image_size": [64, 96]}})
    features = settings.collections["mine"].features
    assert (features.extractor, features.image_size, features.border) == ("efficientnet_lite0", (64, 96), "reflect")


def test_a_collection_may_differ() -> None:
    settings = load(
        {
            "features": {"extractor": "resnet18", "weights": "a.pth"},
            "collections": {
                "one": {
                    "path": "x",
                    "images_per_job": 1,
                    "features": {"image_size": 256},
                    "clustering": {"clusters": 3},
                },
                "two": {"path": "y", "features": {"extractor": "laws"}, "detectors": {"fca": {"patch_size": 3}}},
                "three": {"path": "z", "evaluation": {"crop": 0.1}},
            },
        }
    )
    one, two, three = settings.collections.values()
    assert (one.features.extractor, one.features.weights, one.features.image_size) == ("resnet18", "a.pth", 256)
    assert (one.images_per_job, one.clustering.clusters) == (1, 3)
    assert (two.features.extractor, two.features.weights) == ("laws", None), "weights belong to their extractor"
    assert two.detectors["fca"].given == {"patch_size": 3}
    assert (two.clustering.clusters, three.evaluation.crop, three.images_per_job) == ("auto", 0.1, "auto")


def test_a_threshold_stands_whole_in_place_of_another() -> None:
    asked = {"method": "false_alarm_rate", "rate": 0.001, "unit": "image"}
    settings = load(
        {
            "threshold": asked,
            "collections": {
                "one": {"path": "x"},
                "two": {"path": "y", "threshold": {"method": "otsu"}},
                "three": {"path": "z", "threshold": {"method": "fixed", "value": 2}},
                "four": {"path": "z", "threshold": {"method": "false_alarm_rate"}},
                "new": {"path": "n", "assign_to": "three"},
            },
        }
    )
    one, two, three, four, new = (each.threshold for each in settings.collections.values())
    assert one == FalseAlarmRate(rate=0.001, unit="image")
    assert two == Otsu()
    assert three == new == Fixed(value=2.0)
    assert four == FalseAlarmRate()
    assert {each.threshold.method for each in load({}).collections.values()} == {"false_alarm_rate"}


def test_a_preset_stands_for_the_settings_of_the_paper() -> None:
    def fca(entry: dict[str, Any]) -> Any:
        return detector_settings("mine", DetectorEntry.model_validate({"method": "fca", **entry}))

    paper = fca({"preset": "paper"})
    assert (paper.patch_size, paper.layers, paper.border, paper.level_borders) == (9, ("layer2",), "paper", False)
    assert fca({"preset": "paper", "patch_size": 3}) == paper.model_copy(update={"patch_size": 3})
    assert fca({"preset": None}) == fca({})


def test_merge_leaves_its_arguments_alone() -> None:
    defaults = {"features": {"extractor": "a", "weights": "w"}, "detectors": {"x": {}}}
    merged = merge_config(defaults, {"features": {"extractor": "b"}, "detectors": {"y": {}}})
    assert merged == {"features": {"extractor": "b"}, "detectors": {"y": {}}}
    assert defaults == {"features": {"extractor": "a", "weights": "w"}, "detectors": {"x": {}}}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"collections": {"a": {"pth": "x"}}}, "config: collections.a.pth: unknown key; did you mean path?"),
        (
            {"collections": {"a": {}}},
            "config: collections.a: the key path is missing (Folder, sample sheet or stack of",
        ),
        ({"collections": {1: "x"}}, "config: collections: 1 should be text"),
        ({"collections": ["a"]}, "config: collections: ['a'] should be a mapping"),
        (
            {"features": {"extractor": "lawss"}},
            "config: features.extractor: 'lawss' is no extractor; did you mean laws?",
        ),
        ({"features": {"device": "gpu"}}, "config: features.device: 'gpu' is not valid (Where features and maps"),
        ({"features": {"image_size": True}}, "config: features.image_size: true should be auto or a whole number"),
        ({"gpu_request": "gpus"}, "config: gpu_request: 'gpus' is not one of gpu, gres, null"),
        ({"results": ""}, "config: results: '' should name a file or a folder"),
        ({"export": {"formats": ["coco", "coco"]}}, "config: export.formats: ['coco', 'coco'] has a format twice"),
        ({"threshold": 3}, "config: threshold: 3 should be a mapping"),
        ({"dask": {"workers": 2}}, "config: dask.workers: has no meaning with scheduler local, only with slurm"),
        ({"detectors": {"fac": {}}}, "config: detectors.fac: unknown detector 'fac'; did you mean fca?"),
        ({"detectors": {"small": {"method": "fac"}}}, "config: detectors.small.method: unknown detector 'fac'"),
        ({"detectors": {"fca": {"patch_size": 4}}}, "config: detectors.fca.patch_size: 4 should be odd"),
        ({"detectors": {"fca": {"patchsize": 5}}}, "config: detectors.fca.patchsize: unknown key; did you mean patch_"),
        ({"detectors": {"fca": {"preset": "papr"}}}, "config: detectors.fca.preset: 'papr' is not one of paper"),
        ({"detectors": {"rpca": {"preset": "paper"}}}, "config: detectors.rpca.preset: rpca is of none of the papers"),
        ({"detectors": {"fca": {"preset": "paper", "patch_size": 4}}}, "config: detectors.fca.patch_size: 4 should be"),
        ({"papers": {"tiles": {"data_set": "dagm"}}}, "config: papers: tiles is no collection; there are demo_brick, "),
        ({"papers": {"demo_brick": {"data_set": "mtd"}}}, "config: papers.demo_brick.data_set: 'mtd' is no data set"),
        (
            {"papers": {"demo_brick": {"data_set": "dagm", "preset": "fcaa"}}},
            "config: papers.demo_brick.preset: 'fcaa' is no preset; did you mean fca?",
        ),
        ({"colections": {}}, "config: colections: unknown key; did you mean collections?"),
        ({"features": {"extracter": "laws"}}, "config: features.extracter: unknown key; did you mean extractor?"),
        ({"images_per_job": "many"}, "config: images_per_job: 'many' should be auto or a whole number (Images that"),
        ({"images_per_job": 0}, "config: images_per_job: 0 should be auto or at least 1 ("),
        (
            {"features": {"image_size": "big"}},
            "config: features.image_size: 'big' should be auto or a whole number or a list or null (",
        ),
        (
            {"features": {"image_size": [1, 2, 3]}},
            "config: features.image_size: [1, 2, 3] should be auto or a whole number or of length 2 or null (",
        ),
        ({"features": {"border": "zero"}}, "config: features.border: 'zero' is not one of reflect, paper"),
        ({"collections": {"a": {}}}, "config: collections.a: the key path is missing"),
        ({"collections": {"a": None}}, "config: collections.a: null should be a mapping"),
        ({"collections": {}}, "config: collections: {} should be of length 1 at least ("),
        (
            {"collections": {"a/b": {"path": "x"}}},
            "config: collections: 'a/b' cannot be used as a name: letters, digits, _ and -, beginning with",
        ),
        ({"collections": {"..": {"path": "x"}}}, "config: collections: '..' cannot be used as a name"),
        (
            {"collections": {"tables": {"path": "x"}}},
            "config: collections: 'tables' cannot be used as a name: the results have",
        ),
        ({"collections": {"exports": {"path": "x"}}}, "config: collections: 'exports' cannot be used as a name"),
        ({"export": {"formats": ["coc"]}}, "config: export.formats.0: 'coc' is not one of coco, masks"),
        ({"export": {"formats": []}}, "config: export.formats: [] should be of length 1 at least ("),
        ({"export": {"format": ["coco"]}}, "config: export.format: unknown key; did you mean formats?"),
        ({"collections": {"a": {"path": "x", "layout": "tree"}}}, "config: collections.a.layout: 'tree' is not one of"),
        (
            {"collections": {"a": {"path": "x", "texture": "brick"}}},
            "config: collections.a.texture: has no meaning with layout auto",
        ),
        ({"collections": {"a": {"layout": "demo"}}}, "config: collections.a: the key texture is missing"),
        ({"detectors": {"fca": 3}}, "config: detectors.fca: 3 should be a mapping"),
        (
            {"detectors": {"f-ca": {}}},
            "config: detectors: 'f-ca' cannot be used as a name: letters, digits and _, beginning with a letter",
        ),
        ({"detectors": {"texture": {}}}, "config: detectors: 'texture' cannot be used as a name"),
        ({"clustering": {"clusters": "few"}}, "config: clustering.clusters: 'few' should be auto or a whole number ("),
        ({"evaluation": {"crop": 0.5}}, "config: evaluation.crop: 0.5 should be below 0.5 ("),
        ({"threshold": {"rate": 0.01}}, "config: threshold: the key method is missing"),
        (
            {"threshold": {"method": "percentile"}},
            "config: threshold.method: 'percentile' is not one of false_alarm_rate, ",
        ),
        ({"threshold": {"method": "false_alarm_rate", "rate": 0}}, "config: threshold.rate: 0 should be above 0 ("),
        ({"threshold": {"method": "false_alarm_rate", "unit": "cell"}}, "config: threshold.unit: 'cell' is not one"),
        (
            {"threshold": {"method": "otsu", "rate": 0.1}},
            "config: threshold.rate: has no meaning with otsu, only with false_alarm_rate",
        ),
        (
            {"threshold": {"method": "fixed"}},
            "config: threshold: the key value is missing (The threshold itself, in the units",
        ),
        (
            {
                "collections": {
                    "a": {"path": "x"},
                    "b": {"path": "y", "assign_to": "a", "threshold": {"method": "otsu"}},
                }
            },
            "config: collections.b.threshold: new images are treated as those of a",
        ),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(FirstsightError) as caught:
        load(overrides)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_config_that_is_not_yaml_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "config.yaml"
    broken.write_text("a: [1,\nb: }")
    with pytest.raises(FirstsightError) as caught:
        load_settings(broken, {})
    assert "\n" not in str(caught.value)


NEW: dict[str, dict[str, Any]] = {
    "wood": {"path": "x", "clustering": {"clusters": 3}},
    "fresh": {"path": "y", "assign_to": "wood"},
}


def test_new_images_are_treated_as_those_they_are_held_against() -> None:
    collections = {"wood": {**NEW["wood"], "features": {"extractor": "colors"}}, "fresh": NEW["fresh"]}
    settings = load({"collections": collections}).collections
    assert settings["fresh"].assign_to == "wood"
    assert settings["fresh"].features == settings["wood"].features
    assert settings["fresh"].detectors == settings["wood"].detectors
    assert settings["fresh"].clustering.clusters == 3
    assert settings["wood"].assign_to is None


@pytest.mark.parametrize(
    ("fresh", "line"),
    [
        ({"assign_to": "woof"}, "collections.fresh.assign_to: unknown collection 'woof'; did you mean wood?"),
        ({"assign_to": "fresh"}, "collections.fresh.assign_to: fresh has no clusters of its own"),
        ({"assign_to": "wood", "detectors": {"fca": {}}}, "collections.fresh.detectors: new images are treated as"),
    ],
)
def test_mistakes_about_new_images_are_named(fresh: dict[str, Any], line: str) -> None:
    with pytest.raises(FirstsightError, match=re.escape(line)):
        load({"collections": {**NEW, "fresh": {"path": "y", **fresh}}})


def test_oracle_and_a_number_exclude_each_other() -> None:
    with pytest.raises(
        FirstsightError, match=r"config: clustering\.oracle: true, and a number of clusters, exclude each other"
    ):
        load({"clustering": {"oracle": True, "clusters": 4}})


def test_all_mistakes_are_told_at_once() -> None:
    overrides = {
        "results": 3,
        "features": {"borde": "zero"},
        "collections": {"a": {"path": "x", "detectors": {"padim": {"channels": 0}}}, "b": {"layuot": "folder"}},
        "detectors": {"fca": {"patch_size": 4, "sigma": 1}},
    }
    with pytest.raises(ConfigError) as caught:
        load(overrides)
    keys = [mistake.key for mistake in caught.value.mistakes]
    assert keys == [
        ("features", "borde"),
        ("collections", "b", "layuot"),
        ("results",),
        ("detectors", "fca", "sigma"),
        ("detectors", "fca", "patch_size"),
        ("collections", "a", "detectors", "padim", "channels"),
    ]


def test_mistakes_of_several_collections_are_told_at_once() -> None:
    collections = {name: {"path": "x", "clustering": {"clusters": 3}} for name in ("a", "b")}
    with pytest.raises(ConfigError) as caught:
        load({"collections": collections, "clustering": {"oracle": True}})
    assert [mistake.key[1] for mistake in caught.value.mistakes] == ["a", "b"]


def test_a_path_may_stand_for_a_collection_and_a_tilde_for_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    settings = load({"collections": {"tiles": "/data/tiles", "wood": {"path": "~/wood", "reference": "~/good"}}})
    tiles, wood = settings.collections.values()
    assert (tiles.path, tiles.layout) == (Path("/data/tiles"), "auto")
    assert (wood.path, wood.reference) == (Path("/home/me/wood"), Path("/home/me/good"))
