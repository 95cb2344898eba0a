"""A shard of real files, run through the stages one by one."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from firstsight.stages.job import Job


@pytest.fixture
def job() -> Job:
    return Job("rule", "pile", "s", "fca", io.StringIO())


@pytest.fixture
def pile(tmp_path: Path) -> Path:
    """Tiles of gravel: two good, three with a grey square, one file that is no image."""
    folder = tmp_path / "pile"
    folder.mkdir()
    gravel = data.gravel()
    for number in range(5):
        tile = gravel[64 * number : 64 * number + 128, 30 * number : 30 * number + 160].copy()
        mask = np.zeros_like(tile)
        if number >= 2:
            mask[40:70, 50 + 10 * number : 85 + 10 * number] = 255
            tile[mask > 0] = 120
            Image.fromarray(mask).save(folder / f"{number}_mask.tif")
        Image.fromarray(tile).save(folder / f"{number}.png")
    (folder / "5.png").write_text("no image")
    return folder
