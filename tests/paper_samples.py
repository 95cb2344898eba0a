"""Tiny folders in the form of the papers' data sets."""

from pathlib import Path

import numpy as np
from PIL import Image


def draw(path: Path, *, square: bool = False, size: int = 64) -> None:
    """A noisy image; with a square, the mask of one that has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(size, square=square)).save(path)


def noise(size: int, *, square: bool) -> np.ndarray:
    values = np.random.default_rng(0).integers(0, 255, (size, size)).astype(np.uint8)
    return np.where(marked(size), 120, values).astype(np.uint8) if square else values


def marked(size: int) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[size // 4 : size // 2, size // 4 : size // 2] = True
    return mask


def mask(path: Path, size: int = 64) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.where(marked(size), 255, 0).astype(np.uint8)).save(path)


def mvtec(folder: Path, *kinds: str, count: int = 1, train: bool = False) -> Path:
    """A folder in the MVTec layout, with so many images of each kind."""
    for kind in kinds:
        for number in range(count):
            draw(folder / f"test/{kind}/{number}.png", square=kind != "good")
            if kind != "good":
                mask(folder / f"ground_truth/{kind}/{number}_mask.png")
    if train:
        draw(folder / "train/good/0.png")
    return folder


def hku_dot(folder: Path, count: int = 1) -> Path:
    """A fabric of the University of Hong Kong, as others hand it on."""
    return mvtec(folder / "hku_dot", "BrokenEnd", "Hole", count=count)
