"""Folders of small images, and of normal ones."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from firstsight.features.registry import EXTRACTORS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pile").mkdir()
    for number in range(5):
        values = np.random.default_rng(number).integers(0, 255, (20, 20)).astype(np.uint8)
        Image.fromarray(values).save(tmp_path / f"pile/{number}.png")
    return tmp_path


@pytest.fixture
def good(folder: Path) -> Path:
    """The folder with normal images in ``good``: one of its own, and a link to an image of the pile."""
    (folder / "good").mkdir()
    Image.new("L", (20, 20), 7).save(folder / "good/a.png")
    (folder / "good/b.png").symlink_to(folder / "pile/3.png")
    return folder


@pytest.fixture
def downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torch's folder of downloads, with a file for all of torchvision's weights: no network is asked for them."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    place = tmp_path / "torch/hub/checkpoints"
    place.mkdir(parents=True)
    for spec in EXTRACTORS.values():
        for name in spec.weights.values():
            (place / name).write_bytes(b"")
    return place
