"""What jobs would ask a cluster for, by dry runs with the profile for Slurm."""

import re
from pathlib import Path
from typing import Any

import pytest

from running import ROOT, run

ON_A_GPU = {"features", "fit", "detect", "head"}


def resources(folder: Path, **config: Any) -> dict[str, str]:
    """For each rule, the line of the resources of its jobs."""
    texture = {"collections": {"tiles": {"layout": "demo", "texture": "brick"}}}
    more = {"detectors": {"blind": {}}, "clustering": {"contrastive": True}}
    done = run(folder, "--dry-run", "--profile", str(ROOT / "profiles/slurm"), config={**texture, **more, **config})
    assert done.returncode == 0, done.stderr
    return dict(re.findall(r"^rule (\w+):$.*?^    resources: (.*?)$", done.stdout, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize(
    ("config", "asked"),
    [
        ({"gpu_request": "gpu"}, r"gpu=1, gres=$"),
        ({"gpu_request": "gres"}, r"gpu=0, gres=gpu:1$"),
        ({"gpu_request": "gpu", "features": {"device": "cpu"}}, r"gpu=0, gres=$"),
    ],
)
def test_gpus_are_asked_for_where_one_may_be_used(tmp_path: Path, config: dict[str, Any], asked: str) -> None:
    found = resources(tmp_path, **config)
    assert {rule for rule, line in found.items() if "gpu=" in line} == ON_A_GPU
    assert all(re.search(asked, found[rule]) for rule in ON_A_GPU), found
    assert all("mem_mb=" in line and "runtime=" in line for rule, line in found.items() if rule != "all")
