"""The formats of the registry are those that a config may ask for."""

from pathlib import Path

import yaml

from firstsight.reports.exports.registry import EXPORTS

ROOT = Path(__file__).resolve().parents[3]


def test_config_and_schema_know_every_format() -> None:
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    assert schema["$defs"]["ExportSettings"]["properties"]["formats"]["items"]["enum"] == list(EXPORTS)
    assert yaml.safe_load((ROOT / "config.yaml").read_text())["export"]["formats"] == list(EXPORTS)
