"""Where the workflow lies: in an installed package within it, in a checkout at its top, where links lead."""

from pathlib import Path

SNAKEFILE = (Path(__file__).resolve().parents[1] / "packaged/Snakefile").resolve()
DEFAULT_CONFIG = SNAKEFILE.parent / "config.yaml"
PROFILES = SNAKEFILE.parent / "profiles"
