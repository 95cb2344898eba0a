"""What a collection of 100,000 images costs before its first job starts."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from running import command, environment

N_IMAGES = 100_000
IMAGES_PER_FOLDER = 1000
LINKS_PER_FILE = 50_000
FILE_BYTES = 5 * 2**20
SECONDS = 30
MEGABYTES = 2048


@pytest.mark.slow
def test_a_hundred_thousand_images_are_planned_in_seconds(tmp_path: Path) -> None:
    for number in range(N_IMAGES):
        path = tmp_path / f"pile/{number // IMAGES_PER_FOLDER:03}/{number:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number % LINKS_PER_FILE == 0:
            original = path
            values = np.random.default_rng(number).integers(0, 255, (64, 64)).astype(np.uint8)
            Image.fromarray(values).save(original)
            # Large files make the most shards.
            os.truncate(original, FILE_BYTES)
        else:
            os.link(original, path)
    config = {"collections": {"pile": {"path": "pile"}}}
    line = command(tmp_path, "--dry-run", "--quiet", "all", config=config)
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
    _, status, used = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    # Time on the processor, so that it holds on a busy machine.
    assert used.ru_utime + used.ru_stime < SECONDS, used
    assert used.ru_maxrss / 1024 < MEGABYTES
