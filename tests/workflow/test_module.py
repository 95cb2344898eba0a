"""The workflow as a module of another one, which lies in another folder and gives its rules a prefix."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from running import QUICK, ROOT, command, environment, read_tables

MODULE = f"""
configfile: "outer.yaml"


module firstsight:
    snakefile:
        "{ROOT}/Snakefile"
    config:
        config["firstsight"]
"""
WITH_PREFIX = f"""
{MODULE}


use rule * from firstsight as first_*


rule count:
    default_target: True
    input:
        runs=rules.first_tables.output.runs,
    output:
        "size.txt",
    shell:
        "wc -c < {{input.runs}} > {{output}}"
"""


def run_outer(folder: Path, snakefile: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run another workflow in ``folder`` with two images; firstsight is found by its Snakefile alone."""
    (folder / "pile").mkdir()
    for number in range(2):
        values = np.random.default_rng(number).integers(0, 255, (48, 48)).astype(np.uint8)
        Image.fromarray(values).save(folder / f"pile/{number}.png")
    (folder / "outer.yaml").write_text(
        yaml.safe_dump({"firstsight": {"collections": {"pile": "pile"}, "results": "first", **QUICK}, "mine": 1})
    )
    (folder / "Snakefile").write_text(snakefile)
    line = command(folder, *arguments)
    line[line.index("--snakefile") + 1] = str(folder / "Snakefile")
    outside = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    return subprocess.run(line, capture_output=True, text=True, timeout=600, check=False, env=outside, cwd=os.sep)


@pytest.mark.slow
def test_another_workflow_goes_on_from_the_tables(tmp_path: Path) -> None:
    done = run_outer(tmp_path, WITH_PREFIX)
    assert done.returncode == 0, done.stderr
    assert int((tmp_path / "size.txt").read_text()) == (tmp_path / "first/tables/runs.parquet").stat().st_size
    runs = read_tables(tmp_path / "first")["runs"]
    assert {"manifest", "features", "detect", "cluster"} <= set(runs["rule"]), "rules have their names, without prefix"
    assert json.loads(runs["config"].iloc[0])["path"] == "pile"
    assert not (tmp_path / "results").exists()


def test_without_a_prefix_rules_have_the_names_that_they_have_at_home(tmp_path: Path) -> None:
    done = run_outer(tmp_path, f"{MODULE}\n\nuse rule * from firstsight\n", "--dry-run", "page")
    assert done.returncode == 0, done.stderr
    assert "rule page:" in done.stdout
    assert "first/reports/index.html" in done.stdout
