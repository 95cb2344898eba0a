"""The commented config.yaml says what the models say."""

from typing import Any

import yaml

from firstsight.plan.default_config import WIDTH, default_config
from firstsight.plan.settings import CollectionSettings, Config, FeatureSettings


def test_it_is_the_config_in_which_nothing_is_set() -> None:
    written = Config.model_validate(yaml.safe_load(default_config()))
    assert written.model_dump() == Config().model_dump()


def test_every_key_is_there() -> None:
    config: dict[str, Any] = yaml.safe_load(default_config())
    assert set(config) == set(Config.model_fields)
    assert set(config["features"]) == set(FeatureSettings.model_fields)


def test_every_key_of_a_collection_is_explained() -> None:
    lines = default_config().splitlines()
    for key in ("path", "layout", "reference", "assign_to"):
        assert key in CollectionSettings.model_fields
        assert any(line.startswith(f"#   {key}: ") for line in lines), key


def test_no_line_is_too_long() -> None:
    assert max(map(len, default_config().splitlines())) <= WIDTH
