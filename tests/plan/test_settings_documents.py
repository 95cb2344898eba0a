"""The JSON schema and the table of settings, against the models that they are made from."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from firstsight.detectors.registry import DETECTORS
from firstsight.plan.settings import Config
from firstsight.plan.settings_documents import json_schema, settings_table


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"collections": {"tiles": "/data/tiles", "wood": {"path": "x", "detectors": {"padim": None}}}},
        {
            "detectors": {
                "fca": {"patch_size": 5},
                "padim": {"method": "fca", "patch_size": 3},
                "own": {"method": "grnr"},
            }
        },
        {"threshold": {"method": "false_alarm_rate", "rate": 0.1}, "features": {"image_size": [64, 96]}},
        {"gpu_request": None, "dask": {"scheduler": "slurm", "workers": 2}},
    ],
)
def test_the_schema_takes_what_the_models_take(validator: Draft202012Validator, config: dict[str, Any]) -> None:
    Config.model_validate(config)
    assert [error.message for error in validator.iter_errors(config)] == []


@pytest.mark.parametrize(
    "config",
    [
        {"colections": {}},
        {"features": {"border": "zero"}},
        {"detectors": {"fca": {"patchsize": 5}}},
        {"detectors": {"fca": {"patch_size": 4}}},
        {"collections": {"a": {"path": "x", "detectors": {"grnr": {"eta": -1}}}}},
        {"threshold": {"method": "otsu", "rate": 0.1}},
        {"threshold": {"method": "fixed"}},
        {"evaluation": {"crop": 0.5}},
    ],
)
def test_the_schema_refuses_what_the_models_refuse(validator: Draft202012Validator, config: dict[str, Any]) -> None:
    assert list(validator.iter_errors(config))


def test_the_table_has_every_key_of_every_detector() -> None:
    table = settings_table()
    for name, detector in DETECTORS.items():
        section = table.split(f"### {name}\n")[1].split("\n### ")[0]
        for key, field in detector.settings.model_fields.items():
            assert f"| `{key}` | " in section, (name, key)
            assert field.description, (name, key)


def test_the_table_has_every_key_of_the_config_once() -> None:
    keys = [
        line.split("`")[1] for line in settings_table().split("## Detectors")[0].splitlines() if line.startswith("| `")
    ]
    assert len(keys) == len(set(keys))
    for key in ("results", "features.image_size", "threshold.rate", "collections.<name>.path", "dask.minutes", "names"):
        assert key in keys
