"""The comparison with other programs, which need an environment of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from firstsight.collections.demo import DemoSettings, make_demo

ROOT = Path(__file__).resolve().parents[1]


def compare(*arguments: str | Path) -> str:
    line = [sys.executable, str(ROOT / "benchmarks/peers/compare.py"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_was_measured_is_shown_in_two_tables(tmp_path: Path) -> None:
    ratings = {"pro": 0.5, "auroc": 0.75, "average_precision": None, "image_auroc": 1.0}
    costs = {"learned": 4, "searched": 9, "seconds": 0.25, "memory_mb": 1234.5}
    rows = [
        {"set": "cloth", "method": "knn", "learns_from": "good", **costs, "rest": ratings},
        {"set": "cloth", "method": "fca", "learns_from": "pile", **costs, "all": ratings, "rest": ratings},
    ]
    results = tmp_path / "peers.jsonl"
    results.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    lines = [line for line in compare("--results", results).splitlines() if line.startswith("| cloth")]
    ours = "| cloth | firstsight `fca` | 4 images | 50.0 | 75.0 | – | 100.0 | 0.25 | 1,234 |"
    assert lines == [ours, ours, "| cloth | PyOD KNN on images | 4 good | 50.0 | 75.0 | – | 100.0 | 0.25 | 1,234 |"]


def test_peers_are_measured(tmp_path: Path, shared: Path) -> None:
    pytest.importorskip("anomalib", reason="benchmarks/peers/requirements.txt is not installed")
    make_demo(tmp_path / "grass", DemoSettings(texture="grass", good=4, per_defect=1))
    results = tmp_path / "peers.jsonl"
    weights = shared / "weights/resnet18_imagenet_trunk_layer3.pth"
    methods = ["fca", "patchcore", "knn"]
    compare(tmp_path / "grass", "--weights", weights, "--results", results, "--methods", *methods)
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    assert [(row["method"], row["learns_from"]) for row in rows] == [
        ("fca", "pile"),
        *((method, source) for method in methods[1:] for source in ("pile", "good")),
    ]
    assert all(0 < row["seconds"] < 60 and 0 <= row["rest"]["image_auroc"] <= 1 for row in rows)
    assert all((row["rest"]["pro"] is None) == (row["method"] == "knn") for row in rows)
