"""The config a user writes: what is filled in, what is replaced, and how a mistake reads."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from firstsight.errors import FirstsightError
from firstsight.plan.settings import ThresholdSettings, load_settings, merge_config, refuse_duplicates

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS, SCHEMA = ROOT / "config.yaml", ROOT / "workflow/schemas/config.schema.yaml"


def load(overrides: dict[str, Any]) -> Any:
    return load_settings(DEFAULTS, overrides, SCHEMA)


def test_default_config_is_the_three_demo_collections_without_weights() -> None:
    settings = load({})
    assert list(settings.collections) == ["demo_brick", "demo_grass", "demo_gravel"]
    for collection in settings.collections.values():
        assert collection.features.extractor == "laws"
        assert collection.features.weights is None
        assert collection.images_per_job == "auto"
        assert list(collection.detectors) == ["fca"]


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
    assert mine.detectors["small"].settings == {"patch_size": 5}


def test_other_keys_fall_back_one_by_one() -> None:
    settings = load({"collections": {"mine": {"path": "x"}}, "features": {"image_size": [64, 96]}})
    features = settings.collections["mine"].features
    assert (features.extractor, features.image_size, features.border) == ("laws", (64, 96), "reflect")


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
    assert (one.images_per_job, one.clusters) == (1, 3)
    assert (two.features.extractor, two.features.weights) == ("laws", None), "weights belong to their extractor"
    assert two.detectors["fca"].settings == {"patch_size": 3}
    assert (two.clusters, three.crop, three.images_per_job) == ("auto", 0.1, "auto")


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
    assert one == ThresholdSettings("false_alarm_rate", 0.001, "image", None)
    assert two == ThresholdSettings("otsu", None, None, None)
    assert three == new == ThresholdSettings("fixed", None, None, 2.0)
    assert four == ThresholdSettings("false_alarm_rate", 0.01, "pixel", None)
    assert {each.threshold.method for each in load({}).collections.values()} == {"deviations"}


def test_merge_leaves_its_arguments_alone() -> None:
    defaults = {"features": {"extractor": "a", "weights": "w"}, "detectors": {"x": {}}}
    merged = merge_config(defaults, {"features": {"extractor": "b"}, "detectors": {"y": {}}})
    assert merged == {"features": {"extractor": "b"}, "detectors": {"y": {}}}
    assert defaults == {"features": {"extractor": "a", "weights": "w"}, "detectors": {"x": {}}}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"colections": {}}, "config: colections: unknown key; did you mean collections?"),
        ({"features": {"extracter": "laws"}}, "config: features.extracter: unknown key; did you mean extractor?"),
        ({"images_per_job": "many"}, "config: images_per_job: 'many' is not valid"),
        ({"images_per_job": 0}, "config: images_per_job: 0 is not valid"),
        ({"features": {"image_size": "big"}}, "config: features.image_size: 'big' is not valid"),
        ({"features": {"image_size": [1, 2, 3]}}, "config: features.image_size"),
        ({"features": {"border": "zero"}}, "config: features.border: 'zero' is not one of reflect, paper"),
        ({"collections": {"a": {}}}, "config: collections.a: the key path is missing"),
        ({"collections": {"a": None}}, "config: collections.a: None should be of type object"),
        ({"collections": {}}, "config: collections: {} "),
        ({"collections": {"a/b": {"path": "x"}}}, "config: collections: 'a/b' cannot be used as a name"),
        ({"collections": {"..": {"path": "x"}}}, "config: collections: '..' cannot be used as a name"),
        ({"collections": {"tables": {"path": "x"}}}, "config: collections: 'tables' cannot be used as a name"),
        ({"collections": {"exports": {"path": "x"}}}, "config: collections: 'exports' cannot be used as a name"),
        ({"export": {"formats": ["coc"]}}, "config: export.formats.0: 'coc' is not one of coco, masks"),
        ({"export": {"formats": []}}, "config: export.formats: [] is not valid"),
        ({"export": {"format": ["coco"]}}, "config: export.format: unknown key; did you mean formats?"),
        ({"collections": {"a": {"path": "x", "layout": "tree"}}}, "config: collections.a.layout: 'tree' is not one of"),
        ({"collections": {"a": {"path": "x", "texture": "brick"}}}, "config: collections.a.texture"),
        ({"collections": {"a": {"layout": "demo"}}}, "config: collections.a: the key texture is missing"),
        ({"detectors": {"fca": 3}}, "config: detectors.fca: 3 should be of type object or null"),
        ({"detectors": {"f-ca": {}}}, "config: detectors: 'f-ca' cannot be used as a name"),
        ({"detectors": {"texture": {}}}, "config: detectors: 'texture' cannot be used as a name"),
        ({"clustering": {"clusters": "few"}}, "config: clustering.clusters: 'few' is not valid"),
        ({"evaluation": {"crop": 0.5}}, "config: evaluation.crop: 0.5 is not valid"),
        ({"threshold": {"rate": 0.01}}, "config: threshold: the key method is missing"),
        ({"threshold": {"method": "percentile"}}, "config: threshold.method: 'percentile' is not one of deviations, "),
        ({"threshold": {"method": "false_alarm_rate", "rate": 0}}, "config: threshold.rate: 0 is not valid"),
        ({"threshold": {"method": "false_alarm_rate", "unit": "cell"}}, "config: threshold.unit: 'cell' is not one"),
        (
            {"threshold": {"method": "otsu", "rate": 0.1}},
            "config: collections.demo_brick.threshold.rate: has no meaning",
        ),
        ({"threshold": {"method": "fixed"}}, "config: collections.demo_brick.threshold.value: method fixed needs"),
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
        load_settings(broken, {}, SCHEMA)
    assert "\n" not in str(caught.value)


def test_the_schema_describes_every_key_of_the_default_config() -> None:
    schema = yaml.safe_load(SCHEMA.read_text())
    config = yaml.safe_load(DEFAULTS.read_text())
    assert set(schema["properties"]) == set(config)
    for room in ("features", "clustering", "evaluation"):
        assert set(schema["$defs"][room]["properties"]) == set(config[room])


NEW = {"wood": {"path": "x", "clustering": {"clusters": 3}}, "fresh": {"path": "y", "assign_to": "wood"}}


def test_new_images_are_treated_as_those_they_are_held_against() -> None:
    collections = {"wood": {**NEW["wood"], "features": {"extractor": "colors"}}, "fresh": NEW["fresh"]}
    settings = load({"collections": collections}).collections
    assert settings["fresh"].assign_to == "wood"
    assert settings["fresh"].features == settings["wood"].features
    assert settings["fresh"].detectors == settings["wood"].detectors
    assert settings["fresh"].clusters == 3
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
    with pytest.raises(FirstsightError, match="clustering: oracle and a number of clusters exclude each other"):
        load({"clustering": {"oracle": True, "clusters": 4}})


def test_a_key_that_is_there_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("collections:\n  wood: {path: a}\n  wool: {path: b}\n  wood: {path: c}\n")
    with pytest.raises(FirstsightError, match=r"config: collections.wood: is there twice \(again in .*, line 4\)"):
        refuse_duplicates(path)
    for fine in ("a: {x: 1}\nb: {x: 1}\n", "", "- x\n- x\n", "{", "base: &b {x: 1}\nc: {<<: *b, x: 2}\n"):
        path.write_text(fine)
        refuse_duplicates(path)
    refuse_duplicates(tmp_path / "absent.yaml")
