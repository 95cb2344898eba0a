"""Running the workflow as a user does, in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas
import yaml

ROOT = Path(__file__).resolve().parents[1]
TABLES = ("images", "regions", "clusters", "metrics", "runs", "unread", "region_kinds")
LAWS = {"features": {"extractor": "laws"}}
"""For runs that are not about features: the default network would enlarge their tiny images, which takes its time."""
QUICK = {**LAWS, "detectors": {"fca": {}}}
"""For runs that are about neither features nor detectors: nothing is learned from a collection first."""


def command(folder: Path, *arguments: str, config: dict[str, Any] | None = None) -> list[str]:
    """The command line that runs the workflow in ``folder``; ``config`` becomes its ``--configfile``."""
    line = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    line += ["--cores", "2", *arguments]
    if config is not None:
        path = folder / "mine.yaml"
        path.write_text(yaml.safe_dump(config))
        line += ["--configfile", str(path)]
    return line


def environment() -> dict[str, str]:
    """The environment of this process, without what an outer Snakemake or a terminal would add."""
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def run(folder: Path, *arguments: str, config: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the workflow in ``folder`` and wait for it."""
    line = command(folder, *arguments, config=config)
    return subprocess.run(line, capture_output=True, text=True, timeout=600, check=False, env=environment())


def read_tables(results: Path) -> dict[str, pandas.DataFrame]:
    """The seven tables of a run."""
    return {name: pandas.read_parquet(results / "tables" / f"{name}.parquet") for name in TABLES}
