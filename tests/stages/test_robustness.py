"""Degraded images, and what is left of the maps on them."""

from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from firstsight.collections.images import read_image
from firstsight.errors import FirstsightError
from firstsight.stages.job import Job
from firstsight.stages.manifest import make_manifest, read_truth
from firstsight.stages.robustness import Variant, degrade_images, join_robustness, measure_robustness
from firstsight.storage.geometry import Geometry
from firstsight.storage.store import ShardWriter


def test_images_are_degraded_one_by_one(pile: Path, tmp_path: Path, job: Job) -> None:
    names = ["1.png", "deep/2.png", "5.png"]
    rows: list[dict[str, str | None]] = [
        {"image": name, "path": str(pile / Path(name).name), "missing": None} for name in names
    ]
    for degradation, level in (("noise", 0), ("noise", 10), ("missing", 10)):
        output = tmp_path / f"{degradation}-{level}"
        degrade_images(images=rows, degradation=degradation, level=level, output=output, seed=0, job=job)
        assert sorted(path.relative_to(output).as_posix() for path in output.rglob("*.tif")) == [
            "1.png.tif",
            "deep/2.png.tif",
        ]
    assert "5.png: not a PNG" in job.log.getvalue()  # type: ignore[attr-defined]
    original = read_image(pile / "1.png")
    assert np.array_equal(read_image(tmp_path / "noise-0/1.png.tif"), original)
    noisy = read_image(tmp_path / "noise-10/1.png.tif")
    assert 0.05 < (noisy - original).std() < 0.1
    assert np.isnan(read_image(tmp_path / "missing-10/1.png.tif")[..., 0]).mean() == pytest.approx(0.1, abs=1e-4)
    degrade_images(images=rows[1:], degradation="noise", level=10, output=tmp_path / "alone", seed=0, job=job)
    alone = read_image(tmp_path / "alone/deep/2.png.tif")
    assert np.array_equal(alone, read_image(tmp_path / "noise-10/deep/2.png.tif"))


def variant(folder: Path, degradation: str, level: int, job: Job) -> Variant:
    """Two images whose maps are worse the higher the level is."""
    place = Geometry(16, 16, 16, 16, 1, 0.0).__dict__
    mask = np.zeros((16, 16), np.uint8)
    mask[4:8, 4:8] = 255
    own = folder / f"{degradation}-{level}"
    own.mkdir()
    generator = np.random.default_rng(level)
    Image.fromarray(mask).save(own / "mask.png")
    with ShardWriter(own / "maps.zarr", dtype="float32") as writer:
        for name in ("a.png", "b.png"):
            Image.fromarray(generator.integers(0, 255, (16, 16)).astype(np.uint8)).save(own / name)
            noise = generator.standard_normal((16, 16)).astype(np.float32)
            scores = mask / np.float32(255) + level * noise
            writer.add(name, name, {"map": scores}, {"image": name, "status": "ok", "geometry": place})
    files = [{"image": name, "path": str(own / name), "missing": None, "problem": None} for name in ("a.png", "b.png")]
    make_manifest(files=files, collection="pile", shard="s", output=own / "i.parquet", members=own / "m", job=job)
    rows: list[dict[str, str | None]] = [
        {"image": name, "label": "spot", "mask": str(own / "mask.png")} for name in ("a.png", "b.png")
    ]
    read_truth(rows=rows, manifest=own / "i.parquet", output=own / "t.json", job=job)
    return Variant(degradation, level, (own / "i.parquet",), (own / "t.json",), {"fca": (own / "maps.zarr",)})


def test_level_0_counts_for_every_degradation(tmp_path: Path, job: Job) -> None:
    variants = [variant(tmp_path, *which, job) for which in (("noise", 0), ("noise", 10), ("missing", 5))]
    measure_robustness(
        variants=variants,
        collection="pile",
        output=tmp_path / "part.parquet",
        curves=tmp_path / "curves.png",
        job=job,
    )
    table = pandas.read_parquet(tmp_path / "part.parquet").set_index(["degradation", "level"])
    assert sorted(table.index) == [("missing", 0), ("missing", 5), ("noise", 0), ("noise", 10)]
    assert table.loc[("noise", 0), "average_precision"] == table.loc[("missing", 0), "average_precision"] == 1
    assert table.loc[("noise", 10), "average_precision"] < 0.5
    assert (tmp_path / "curves.png").stat().st_size > 1000
    join_robustness(
        parts=[tmp_path / "part.parquet"], table=tmp_path / "all.parquet", markdown=tmp_path / "all.md", job=job
    )
    assert len(pandas.read_parquet(tmp_path / "all.parquet")) == 4
    assert "| fca | 1.000 |" in (tmp_path / "all.md").read_text()


def test_without_masks_there_is_one_line(tmp_path: Path, job: Job) -> None:
    with pytest.raises(FirstsightError, match="no collection has any"):
        join_robustness(parts=[], table=tmp_path / "t.parquet", markdown=tmp_path / "t.md", job=job)
