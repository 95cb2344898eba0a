"""A collection several times larger than the memory of a job goes through the whole workflow."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

from running import command, environment, read_tables

pytestmark = pytest.mark.slow

SIDE, CHANNELS = 64, 128
# What a job holds of a shard does not count as growing with the collection.
FEW = IMAGES_PER_JOB = 40
MANY = 4 * IMAGES_PER_JOB
TIMES = 5
MEGABYTES = MANY * CHANNELS * SIDE * SIDE * 4 / 2**20
"""Of the features of the large collection, as float32."""

BLIND = {"correspondence": "residuals", "neighbours": False, "patch_size": 5, "sampled_images": 8}
CONFIG: dict[str, Any] = {
    "images_per_job": IMAGES_PER_JOB,
    "features": {"extractor": "random_kernels", "dtype": "float32", "image_size": None},
    "detectors": {"blind": {**BLIND, "epochs": 2, "cells_per_epoch": 20_000}},
}
# One thread a job with one heap, so that two runs differ in their images only; Arrow's own allocator would map a
# gigabyte that it does not use, which the limit counts.
QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
QUIET["ARROW_DEFAULT_MEMORY_POOL"] = "system"
MAPPED = """
import re, torch
status = open("/proc/self/status").read()
print(*(re.search(name + r":\\s*(\\d+)", status)[1] for name in ("VmData", "VmRSS")))
"""


def make_pile(folder: Path, count: int) -> None:
    """Noise in which every fourth image has a bright spot, with masks."""
    for number in range(count):
        random = np.random.default_rng(number)
        pixels = random.integers(80, 150, (SIDE, SIDE), np.uint8)
        kind = "good" if number % 4 else "spot"
        places = [folder / "test" / kind / f"{number:04d}.png"]
        pictures = [pixels]
        if kind == "spot":
            mask = np.zeros_like(pixels)
            mask[20:30, 10 + number % 30 : 22 + number % 30] = 255
            pixels[mask > 0] = 200
            places.append(folder / "ground_truth" / kind / f"{number:04d}_mask.png")
            pictures.append(mask)
        for place, picture in zip(places, pictures, strict=True):
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(place)


def run_within(folder: Path, count: int, megabytes: int | None) -> pandas.DataFrame:
    """The table of runs of a collection, of which every process may hold so much data."""
    folder.mkdir()
    make_pile(folder / "pile", count)
    config = {**CONFIG, "collections": {"pile": {"path": "pile", "layout": "mvtec"}}}
    line = command(folder, "results/tables/runs.parquet", config=config)
    # Stacks of threads count as data, and are 8 MB each by default.
    limit = [] if megabytes is None else [f"--data={megabytes * 2**20}"]
    line = ["prlimit", "--stack=1048576", *limit, *line]
    done = subprocess.run(
        line, capture_output=True, text=True, timeout=1200, check=False, env={**environment(), **QUIET}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return read_tables(folder / "results")["runs"]


def mapped_and_never_touched() -> float:
    """MiB that libraries map as data without using them: the limit counts them, the peak of a job does not."""
    out = subprocess.check_output([sys.executable, "-c", MAPPED], text=True, env={**os.environ, **QUIET})
    data, resident = map(int, re.findall(r"\d+", out))
    return max(0, data - resident) / 1024


def test_a_collection_five_times_as_large_as_the_memory_for_it(tmp_path: Path) -> None:
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is missing: apt-get install util-linux")
    few = run_within(tmp_path / "few", FEW, None)
    base = few["peak_memory_mb"].max()
    # What the images of one shard take, libraries and training included, and a fifth of the features of the large one.
    limit = int(base + mapped_and_never_touched() + MEGABYTES / TIMES)
    many = run_within(tmp_path / "many", MANY, limit)
    stored = sum(path.stat().st_size for path in (tmp_path / "many/results/pile/features").rglob("*"))
    peaks = pandas.DataFrame(
        {name: runs.groupby("rule")["peak_memory_mb"].max() for name, runs in {"few": few, "many": many}.items()}
    )
    print(f"limit {limit} MiB, features {MEGABYTES:.0f} MiB, on disk {stored / 2**20:.0f} MiB")
    print(peaks.round().to_string())
    assert stored / 2**20 > 0.8 * MEGABYTES
    assert (peaks["many"] - peaks["few"]).max() < MEGABYTES / TIMES
    tables = read_tables(tmp_path / "many/results")
    assert len(tables["images"]) == MANY
    assert set(tables["images"]["status"]) == {"ok"}
    assert {"pro", "auroc"} <= set(tables["metrics"]["metric"])
    shutil.rmtree(tmp_path / "many")
