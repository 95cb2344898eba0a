"""The stage that finds the scale of a collection."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image

from firstsight.errors import DamagedError
from firstsight.features.texture_scale import Scale
from firstsight.plan.settings import FeatureSettings
from firstsight.stages.job import Job
from firstsight.stages.manifest import make_manifest
from firstsight.stages.scale import SAMPLED_IMAGES, find_scale, read_scale


def manifest(folder: Path, names: list[str], shard: str = "s") -> Path:
    files = [{"image": name, "path": str(folder / name), "missing": None, "problem": None} for name in names]
    output = folder / f"{shard}.parquet"
    job = Job("manifest", "pile", shard, "", io.StringIO())
    make_manifest(files=files, collection="pile", shard=shard, output=output, members=folder / f"{shard}.json", job=job)
    return output


def found(manifests: list[Path], *, kept: bool = False, **settings: Any) -> tuple[Scale, Job]:
    job = Job("scale", "pile", "", "", io.StringIO())
    output = manifests[0].with_name("scale.json")
    if not kept:
        output.unlink(missing_ok=True)
    find_scale(manifests=manifests, output=output, settings=FeatureSettings(**settings).model_dump(), seed=0, job=job)
    assert set(json.loads(output.read_text())) == {"fineness", "side", "window", "coarse"}
    return read_scale(output), job


@pytest.fixture
def bricks(tmp_path: Path) -> list[str]:
    """Twenty pieces of a wall."""
    wall = skimage.data.brick()
    names = [f"{number:02d}.png" for number in range(20)]
    for number, name in enumerate(names):
        top, left = 12 * number, 256 - 12 * number
        Image.fromarray(wall[top : top + 256, left : left + 256]).save(tmp_path / name)
    return names


def test_a_sample_decides_whatever_the_shards_the_order_and_the_names(bricks: list[str], tmp_path: Path) -> None:
    whole, job = found([manifest(tmp_path, bricks)])
    assert (whole.window, whole.coarse) == (40, True)
    assert job.n_images == SAMPLED_IMAGES < len(bricks)
    assert job.says == "judged in windows of 40 pixels; images enter as they are; found from 16 images"
    parts = [manifest(tmp_path, bricks[13:], "a"), manifest(tmp_path, bricks[:13], "b")]
    assert found(parts)[0] == whole
    for number, name in enumerate(bricks):
        (tmp_path / name).rename(tmp_path / f"other_{97 * number % 20:02d}.png")
    assert found([manifest(tmp_path, [f"other_{number:02d}.png" for number in range(20)], "c")])[0] == whole


def test_large_images_of_a_coarse_texture_are_reduced(bricks: list[str], tmp_path: Path) -> None:
    for name in bricks[:3]:
        image = Image.open(tmp_path / name)
        image.resize((1024, 1024), Image.Resampling.BICUBIC).save(tmp_path / f"large_{name}")
    large = [manifest(tmp_path, [f"large_{name}" for name in bricks[:3]])]
    scale, job = found(large)
    assert scale.window > 40
    judged = round(scale.window * 1024 / 384)
    assert job.says.startswith(f"judged in windows of {judged} pixels; images enter at 0.38 times their size")
    assert found(large, scale=100.0)[1].says.startswith("judged in windows of 100 pixels; images enter at 0.38 times")
    native, job = found(large, extractor="laws")
    assert job.says.startswith(f"judged in windows of {native.window:.0f} pixels; images enter as they are")


def test_images_far_apart_in_size_are_said(bricks: list[str], tmp_path: Path) -> None:
    for side in (128, 129):
        Image.open(tmp_path / bricks[0]).crop((0, 0, 256, side)).save(tmp_path / f"{side}.png")
    _, job = found([manifest(tmp_path, [bricks[0], "129.png"], "near")])
    assert "differ" not in job.says
    _, job = found([manifest(tmp_path, [bricks[0]], "near"), manifest(tmp_path, ["128.png"], "as far")])
    assert "differ" not in job.says
    Image.open(tmp_path / "128.png").crop((0, 0, 127, 128)).save(tmp_path / "127.png")
    _, job = found([manifest(tmp_path, [bricks[0]], "near"), manifest(tmp_path, ["127.png"], "far")])
    assert job.says.endswith("; found from 2 images; images differ in size: shorter sides of 127 to 256 pixels")
    assert job.says in job.log.getvalue()  # type: ignore[attr-defined]


def test_images_that_cannot_be_used_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    scale, job = found([manifest(tmp_path, ["broken.png"])])
    assert (scale, job.says) == (Scale(), "no usable image")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)).save(tmp_path / "noise.png")
    scale, job = found([manifest(tmp_path, ["broken.png", "noise.png"])])
    assert scale.fineness is not None
    assert job.n_images == 1


def test_a_file_that_is_gone_since_it_was_listed_is_noted(bricks: list[str], tmp_path: Path) -> None:
    listed = manifest(tmp_path, bricks[:2])
    (tmp_path / bricks[0]).unlink()
    _, job = found([listed])
    assert job.n_images == 1
    assert bricks[0] in job.log.getvalue()  # type: ignore[attr-defined]


def test_the_scale_is_kept_as_a_collection_grows(bricks: list[str], tmp_path: Path) -> None:
    first, _ = found([manifest(tmp_path, bricks[-3:])])
    again, job = found([manifest(tmp_path, bricks)], kept=True)
    assert again == first
    assert job.says.endswith("kept from before images were added")


@pytest.mark.parametrize("content", ['{"other": 1}', "[]", "no JSON"])
def test_a_damaged_scale_is_not_trusted(content: str, bricks: list[str], tmp_path: Path) -> None:
    listed = manifest(tmp_path, bricks[:1])
    (tmp_path / "scale.json").write_text(content)
    with pytest.raises(DamagedError):
        found([listed], kept=True)
