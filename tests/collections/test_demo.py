from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from firstsight.collections.demo import (
    DEFECTS,
    GOOD,
    PHOTOGRAPHS,
    VISIBLE_DARKENING,
    DemoSettings,
    cut_tile,
    list_demo,
    make_demo,
    to_bytes,
)
from firstsight.collections.images import inspect_image
from firstsight.collections.listing import list_collection
from firstsight.errors import FirstsightError

SMALL = DemoSettings(tile_size=96, good=2, per_defect=2)


def pixels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path))


def test_listing_before_equals_listing_after(tmp_path: Path) -> None:
    files = list_demo(tmp_path, SMALL)
    assert not list(tmp_path.iterdir())
    make_demo(tmp_path, SMALL)
    assert list_collection(tmp_path).files == files
    assert [file.label for file in files] == ["crack"] * 2 + ["good"] * 2 + ["patch"] * 2 + ["stain"] * 2
    assert all(inspect_image(file)["status"] == "ok" for file in files)
    written = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {file.path for file in files} | {mask for file in files for mask in file.masks}


@pytest.mark.parametrize("texture", PHOTOGRAPHS)
def test_a_default_collection_has_more_good_tiles_than_defective_ones(tmp_path: Path, texture: str) -> None:
    labels = [file.label for file in list_demo(tmp_path, DemoSettings(texture=texture))]
    assert len(labels) == 21
    assert labels.count(GOOD) == 12


def test_same_settings_same_pixels_other_settings_others(tmp_path: Path) -> None:
    variants = {
        "a": SMALL,
        "b": SMALL,
        "seed": replace(SMALL, seed=1),
        "texture": replace(SMALL, texture="gravel"),
    }
    for name, settings in variants.items():
        make_demo(tmp_path / name, settings)
    for file in list_demo(tmp_path / "a", SMALL):
        same, *others = (pixels(tmp_path / name / file.image) for name in ("b", "seed", "texture"))
        assert np.array_equal(pixels(file.path), same)
        assert all(not np.array_equal(same, other) for other in others)
    tiles = [pixels(file.path) for file in list_demo(tmp_path / "a", SMALL)]
    assert len({tile.tobytes() for tile in tiles}) == len(tiles)


@pytest.mark.parametrize("texture", PHOTOGRAPHS)
@pytest.mark.parametrize("kind", DEFECTS)
@pytest.mark.parametrize("seed", range(5))
def test_a_mask_holds_what_changed(texture: str, kind: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    tile = cut_tile(texture, 256, generator)
    damaged, mask = DEFECTS[kind](tile, texture, generator)
    assert damaged.shape == mask.shape == (256, 256)
    assert damaged.min() >= 0
    assert damaged.max() <= 1
    change = np.abs(to_bytes(damaged).astype(int) - to_bytes(tile))
    assert (0.004 if kind == "crack" else 0.02) < mask.mean() < 0.15
    assert change[mask].mean() > 20
    assert (change[mask] > 0).mean() > 0.85
    if kind == "stain":
        # Outside the mask a stain may only darken by less than the visible share, plus what its slight blur moves.
        assert change[~mask].mean() < 0.5
        assert damaged[~mask].sum() > (1 - VISIBLE_DARKENING) * tile[~mask].sum()
        assert damaged[mask].mean() < 0.85 * tile[mask].mean()
    else:
        assert change[~mask].max() == 0
    if kind == "patch":
        assert damaged[mask].mean() == pytest.approx(tile[mask].mean(), rel=0.1)
        assert damaged[mask].std() == pytest.approx(tile[mask].std(), rel=0.3)
    # No defect touches the frame: what is found there is the border's fault.
    assert mask[1:-1, 1:-1].sum() == mask.sum()


@pytest.mark.parametrize("size", [64, 101, 512])
def test_tiles_of_every_size_are_crops_of_the_photograph(size: int) -> None:
    tile = to_bytes(cut_tile("brick", size, np.random.default_rng(3)))
    photograph = PHOTOGRAPHS["brick"]()
    assert tile.shape == (size, size)
    found = False
    for turned in (photograph, photograph[::-1], photograph[:, ::-1], photograph[::-1, ::-1]):
        starts = np.argwhere(turned[: 513 - size, : 513 - size] == tile[0, 0])
        found |= any(np.array_equal(turned[top : top + size, left : left + size], tile) for top, left in starts)
    assert found


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"texture": "marble"}, "unknown demo texture 'marble': choose brick, grass, gravel"),
        ({"tile_size": 63}, "64 to 512, not 63"),
        ({"tile_size": 513}, "64 to 512, not 513"),
        ({"good": 0, "per_defect": 0}, "holds no image"),
        ({"good": -1}, "-1 good tiles"),
        ({"seed": -1}, "seed must not be negative: -1"),
    ],
)
def test_settings_name_the_bad_value(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        DemoSettings(**bad)
