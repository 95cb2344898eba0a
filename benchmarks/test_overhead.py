"""What a run costs beyond computing: `pytest benchmarks/test_overhead.py --benchmark-only -s` (some minutes).

Overhead is everything but the work on the images themselves (the steps that look at or draw one): Snakemake, starting
jobs and importing, reading and writing stores, tables.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from running import command, environment

N_IMAGES = 10_000
# Jobs of these rules have both cores to themselves: for their two threads, or as the only job of the collection.
ALONE = {"features", "detect", "cluster", "charts", "threshold", "evaluate"}
COMPUTING = {"inspect", "extract", "detect", "regions", "descriptor", "draw", "encode", "cluster", "plane", "tree"}


@pytest.fixture
def pile(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for number in range(N_IMAGES):
        path = tmp_path / f"pile/{number // 1000:02}/{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = generator.normal(128, 20, (64, 64))
        if number % 7 == 0:
            y, x = generator.integers(5, 50, 2)
            values[y : y + 10, x : x + 10] += 80
        Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(path)
    return tmp_path


def test_ten_thousand_small_images(pile: Path, benchmark) -> None:
    line = command(pile, "--quiet", "all", config={"collections": {"pile": {"path": "pile"}}})
    before = os.times()
    done = benchmark.pedantic(
        subprocess.run, [line], {"env": environment(), "capture_output": True, "text": True}, rounds=1
    )
    after = os.times()
    assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in (pile / "results").rglob("*.run.json")]
    computing = 0.0
    print()
    for rule in sorted({record["rule"] for record in records}):
        steps: dict[str, float] = {}
        ours = [record for record in records if record["rule"] == rule]
        for record in ours:
            for step, seconds in json.loads(record["seconds_by_step"]).items():
                steps[step] = steps.get(step, 0.0) + seconds
        spent = sum(seconds for step, seconds in steps.items() if step in COMPUTING)
        computing += spent if rule in ALONE else spent / 2
        told = ", ".join(f"{step} {seconds:.1f}" for step, seconds in steps.items())
        peak = max(record["peak_memory_mb"] for record in ours)
        print(
            f"{rule:10} {len(ours):3} jobs {sum(each['seconds'] for each in ours):7.1f} s ({told}) peak {peak:.0f} MB"
        )
    wall = benchmark.stats.stats.max
    processor = after.children_user - before.children_user + after.children_system - before.children_system
    milliseconds = 1000 / N_IMAGES
    print(f"wall {wall * milliseconds:.1f} ms an image, processor {processor * milliseconds:.1f} ms")
    print(f"steps that compute {computing * milliseconds:.1f} ms of wall time on two cores")
    print(f"overhead {(wall - computing) * milliseconds:.1f} ms of wall time on two cores")
