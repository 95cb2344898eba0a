"""Stages tune and features: weights tuned to normal images, and features that are made with them."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import models

from firstsight.errors import DamagedError, FirstsightError
from firstsight.features import load_extractor
from firstsight.features.digests import file_sha256
from firstsight.features.sbm_settings import SbmSettings
from firstsight.plan.settings import FeatureSettings
from firstsight.stages.features import extract_features
from firstsight.stages.job import Job
from firstsight.stages.manifest import make_manifest
from firstsight.stages.tune import tune_to_images
from firstsight.storage.store import ShardReader, take_back
from scales import write_scale

QUICK = SbmSettings(
    layer="layer1", permutations=4, tile_size=16, crops_per_epoch=4, validation_crops=4, batch_crops=2, epochs=1
)


def draw_weights(path: Path, seed: int) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.save(models.resnet18(weights=None).state_dict(), path)
    return path


@pytest.fixture
def settings(tmp_path: Path) -> FeatureSettings:
    weights = draw_weights(tmp_path / "resnet18.pth", 0)
    return FeatureSettings(extractor="resnet18", weights=str(weights), image_size=None, dtype="float32", device="cpu")


@pytest.fixture
def manifest(pile: Path, tmp_path: Path, job: Job) -> Path:
    files = [
        {"image": f"{number}.png", "path": str(pile / f"{number}.png"), "missing": None, "problem": None}
        for number in (0, 1, 5)
    ]
    output, members = tmp_path / "images.parquet", tmp_path / "m.json"
    make_manifest(files=files, collection="pile", shard="s", output=output, members=members, job=job)
    return output


def tune(manifest: Path, output: Path, settings: FeatureSettings, job: Job) -> None:
    tune_to_images(
        manifests=[manifest],
        scale=write_scale(output.parent),
        output=output,
        checkpoints=output.with_name("tuning"),
        settings=settings.model_dump(),
        tuning=asdict(QUICK),
        threads=1,
        job=job,
    )


def test_what_is_tuned_can_be_used_as_weights(
    settings: FeatureSettings, manifest: Path, tmp_path: Path, job: Job
) -> None:
    tune(manifest, tmp_path / "tuned.pt", settings, job)
    assert job.n_images == 2
    assert job.weights_sha256 == file_sha256(tmp_path / "tuned.pt")
    assert not (tmp_path / "tuning").exists()
    log = job.log.getvalue()  # type: ignore[attr-defined]
    assert "5.png: not a PNG" in log
    assert "tuned resnet18 to layer1 on 1 images" in log
    assert load_extractor("resnet18", weights=tmp_path / "tuned.pt").layers == ("layer1", "layer2")


def test_features_by_other_tuned_weights_are_never_mixed(
    settings: FeatureSettings, manifest: Path, tmp_path: Path, job: Job
) -> None:
    """A job that was cut off under one file of weights goes on under another: all its features are by the second."""
    store = tmp_path / "f.zarr"

    def extract(tuned: Path | None) -> np.ndarray:
        if store.exists():
            take_back(store)
        chosen: dict[str, Any] = {"settings": settings.model_dump(), "layers": ["layer1"]}
        extract_features(
            manifest=manifest, scale=write_scale(tmp_path), output=store, tuned=tuned, **chosen, threads=1, job=job
        )
        return ShardReader(store).read("00000", "layer1")

    plain = extract(None)
    first = extract(draw_weights(tmp_path / "first.pt", 1))
    assert job.weights_sha256 == file_sha256(tmp_path / "first.pt")
    second = extract(draw_weights(tmp_path / "second.pt", 2))
    assert not np.allclose(plain, first)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(extract(None), plain)


def test_damaged_tuned_weights_are_not_trusted(
    settings: FeatureSettings, manifest: Path, tmp_path: Path, job: Job
) -> None:
    tuned = draw_weights(tmp_path / "tuned.pt", 1)
    content = bytearray(tuned.read_bytes())
    content[len(content) // 2] ^= 1
    tuned.write_bytes(content)
    files = {"manifest": manifest, "output": tmp_path / "f.zarr", "tuned": tuned}
    with pytest.raises(DamagedError, match=r"tuned.pt' is damaged") as caught:
        extract_features(
            **files, scale=write_scale(tmp_path), settings=settings.model_dump(), layers=["layer1"], threads=1, job=job
        )
    assert caught.value.path == tuned


def test_no_usable_image_is_one_clear_line(
    settings: FeatureSettings, manifest: Path, pile: Path, tmp_path: Path, job: Job
) -> None:
    files = [{"image": "5.png", "path": str(pile / "5.png"), "missing": None, "problem": None}]
    outputs: dict[str, Any] = {"output": manifest, "members": tmp_path / "m.json"}
    make_manifest(files=files, collection="pile", shard="s", **outputs, job=job)
    with pytest.raises(FirstsightError, match="none of the images to tune the extractor with"):
        tune(manifest, tmp_path / "x.pt", settings, job)
    assert not (tmp_path / "x.pt").exists()
