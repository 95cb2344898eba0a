"""Write what is made from the models of the settings (`make settings`)."""

from pathlib import Path

import yaml

from firstsight.plan.default_config import default_config
from firstsight.plan.settings_documents import json_schema, settings_table

ROOT = Path(__file__).resolve().parents[1]


def documents() -> dict[str, str]:
    """The text of each file by its path from the top of the repository."""
    return {
        "config.yaml": default_config(),
        "workflow/schemas/config.schema.yaml": yaml.safe_dump(json_schema(), sort_keys=False, width=120),
        "docs/settings.md": settings_table(),
    }


if __name__ == "__main__":
    for name, text in documents().items():
        (ROOT / name).write_text(text, encoding="utf-8")
