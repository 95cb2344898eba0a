"""Stage features: images in batches, whatever became of an earlier attempt and of the images between."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import firstsight.stages.features as stage
from firstsight.collections.images import read_row
from firstsight.errors import FirstsightError
from firstsight.features import EXTRACTORS, load_extractor
from firstsight.features.input_size import input_size
from firstsight.features.texture_scale import Scale
from firstsight.plan.settings import FeatureSettings
from firstsight.stages.features import extract_features, resize_image
from firstsight.stages.job import Job
from firstsight.stages.manifest import make_manifest
from firstsight.storage.store import ShardReader, ShardWriter, take_back
from scales import write_scale

COUNT = 12


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Images so small that four are a batch, grey and coloured, of two sizes; one that is no image, one with a hole."""
    random = np.random.default_rng(0)
    files = []
    for number in range(COUNT):
        height, width = (48, 61) if 8 <= number < 10 else (55, 60)
        path = tmp_path / f"{number:02d}.png"
        shape = (height, width) if number % 3 else (height, width, 3)
        values = random.integers(0, 255, shape).astype(np.uint8)
        if number == 7:
            values = np.dstack([values, np.full((height, width), 255, np.uint8)])
            values[5:9, 8:20, 1] = 0
        Image.fromarray(values).save(path)
        if number == 4:
            path.write_text("no image")
        files.append({"image": path.name, "path": str(path), "missing": None, "problem": None})
    output = tmp_path / "images.parquet"
    outputs: dict[str, Any] = {"output": output, "members": tmp_path / "m.json"}
    make_manifest(files=files, collection="pile", shard="s", **outputs, job=new_job())
    return output


def new_job() -> Job:
    return Job("features", "pile", "s", "", io.StringIO())


def extract(manifest: Path, output: Path, extractor: str = "laws", image_size: Any = None, threads: int = 1) -> Job:
    job = new_job()
    settings = FeatureSettings(extractor=extractor, weights=None, image_size=image_size, dtype="float32", device="cpu")
    layers = list(EXTRACTORS[extractor].default_layers)
    extract_features(
        manifest=manifest,
        scale=write_scale(output.parent),
        output=output,
        settings=settings.model_dump(),
        layers=layers,
        threads=threads,
        job=job,
    )
    return job


def content(store: Path) -> dict[str, tuple[dict[str, Any], dict[str, bytes]]]:
    """All that a store holds, in its order."""
    reader = ShardReader(store)
    keys = reader.keys()
    return {
        key: (reader.attributes(key), {name: reader.read(key, name).tobytes() for name in reader.names(key)})
        for key in keys
    }


@pytest.mark.parametrize("extractor", [name for name, spec in EXTRACTORS.items() if not spec.needs_weights])
def test_every_image_has_the_features_that_it_has_alone(extractor: str, manifest: Path, tmp_path: Path) -> None:
    job = extract(manifest, tmp_path / "f.zarr", extractor, threads=2)
    assert job.n_images == COUNT
    assert set(job.seconds) == {"load", "read", "extract", "write"}
    reader = ShardReader(tmp_path / "f.zarr")
    assert reader.keys() == [f"{index:05d}" for index in range(COUNT)]
    network = load_extractor(extractor)
    for index, key in enumerate(reader.keys()):
        attributes = reader.attributes(key)
        assert attributes["image"] == f"{index:02d}.png"
        if index == 4:
            assert attributes["status"].startswith("not a PNG")
            assert reader.names(key) == []
            continue
        assert attributes["status"] == "ok"
        assert ("known" in reader.names(key)) == (index == 7) == (attributes["missing"] > 0)
        if index == 7:
            continue
        values = read_row({"path": str(tmp_path / f"{index:02d}.png"), "missing": None})
        for layer, features in network(torch.from_numpy(values).permute(2, 0, 1)[None]).items():
            expected = features[0].numpy()
            found = reader.read(key, layer)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * float(np.abs(expected).max()))
            place = attributes["geometry"][layer]
            assert (place["height"], place["width"]) == values.shape[:2]


class Killed(BaseException):
    """Nothing in firstsight catches it."""


@contextmanager
def killed_after(count: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Writers that end the process after so many entries; what they write is listed."""
    written: list[str] = []
    add = ShardWriter.add

    def counted(self: ShardWriter, key: str, *rest: Any) -> None:
        if len(written) == count:
            raise Killed
        add(self, key, *rest)
        written.append(key)

    with monkeypatch.context() as context:
        context.setattr(ShardWriter, "add", counted)
        yield written


@pytest.mark.parametrize("cuts", [(3,), (0, 1, 9)])
def test_a_job_cut_off_within_a_batch_ends_bit_equal(
    cuts: tuple[int, ...], manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract(manifest, tmp_path / "whole.zarr")
    done: list[str] = []
    for cut in cuts:
        with killed_after(cut - len(done), monkeypatch) as written, pytest.raises(Killed):
            extract(manifest, tmp_path / "cut.zarr")
        done += written
    with killed_after(COUNT, monkeypatch) as written:
        extract(manifest, tmp_path / "cut.zarr")
    assert done + written == [f"{index:05d}" for index in range(COUNT)], "nothing is written twice"
    assert content(tmp_path / "cut.zarr") == content(tmp_path / "whole.zarr")
    assert list(content(tmp_path / "cut.zarr")) == list(content(tmp_path / "whole.zarr"))


def test_what_is_done_is_not_read_and_what_is_missing_between_is_made(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "f.zarr"
    extract(manifest, store)
    before = content(store)
    read: list[str] = []

    def noted(row: Any) -> Any:
        read.append(row["image"])
        return read_row(row)

    monkeypatch.setattr(stage, "read_row", noted)
    take_back(store)
    extract(manifest, store)
    assert read == []
    assert content(store) == before
    take_back(store)
    has = ShardWriter.has
    monkeypatch.setattr(ShardWriter, "has", lambda self, key, token: key != "00009" and has(self, key, token))
    extract(manifest, store)
    assert sorted(read) == [f"{number:02d}.png" for number in range(8, COUNT)], "from the batch that lacks one on"
    assert list(content(store).items()) == list(before.items())


def test_an_image_that_is_gone_costs_only_itself(manifest: Path, tmp_path: Path) -> None:
    extract(manifest, tmp_path / "before.zarr")
    (tmp_path / "02.png").unlink()
    extract(manifest, tmp_path / "after.zarr")
    before, after = ShardReader(tmp_path / "before.zarr"), ShardReader(tmp_path / "after.zarr")
    assert after.keys() == before.keys()
    assert after.attributes("00002")["status"] == "no such file"
    for key in ("00000", "00001", "00003", "00011"):
        np.testing.assert_allclose(after.read(key, "energy"), before.read(key, "energy"), rtol=1e-5, atol=1e-5)


def test_features_that_a_store_does_not_take_cost_only_their_image(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = ShardWriter.add

    def refusing(self: ShardWriter, key: str, token: str, arrays: Any, attributes: Any) -> None:
        if key == "00003" and arrays:
            raise FirstsightError("beyond the range of float16")
        add(self, key, token, arrays, attributes)

    monkeypatch.setattr(ShardWriter, "add", refusing)
    extract(manifest, tmp_path / "f.zarr")
    statuses = [attributes["status"] for attributes, _ in content(tmp_path / "f.zarr").values()]
    assert [index for index, status in enumerate(statuses) if status != "ok"] == [3, 4]
    assert statuses[3] == "beyond the range of float16"


def test_images_of_several_sizes_are_a_batch_where_they_are_resized_alike(manifest: Path, tmp_path: Path) -> None:
    extract(manifest, tmp_path / "f.zarr", image_size=[24, 36])
    reader = ShardReader(tmp_path / "f.zarr")
    for key in set(reader.keys()) - {"00004"}:
        assert reader.read(key, "energy").shape == (9, 6, 9)
    place = reader.attributes("00009")["geometry"]["energy"]
    assert [place[name] for name in ("height", "width", "input_height", "input_width")] == [48, 61, 24, 36]


def test_images_are_resized() -> None:
    image = torch.rand(1, 3, 10, 14)
    assert resize_image(image, (10, 14)) is image
    assert resize_image(image, (20, 9)).shape == (1, 3, 20, 9)
    assert resize_image(image, (20, 9)).max() <= 1


@pytest.mark.parametrize(
    ("image", "image_size", "least_side", "expected"),
    [
        ((10, 14), None, 384, (10, 14)),
        ((10, 14), 7, None, (7, 7)),
        ((10, 14), [5, 9], None, (5, 9)),
        ((200, 300), "auto", 384, (384, 576)),
        ((500, 400), "auto", 384, (500, 400)),
        ((200, 300), "auto", None, (200, 300)),
        ((2, 20000), "auto", 384, (8, 80000)),
    ],
)
def test_the_size_of_the_input(
    image: tuple[int, int], image_size: Any, least_side: int | None, expected: tuple[int, int]
) -> None:
    height, width = image
    assert input_size(height, width, image_size, least_side=least_side, scale=Scale()) == expected
