"""Nothing in an HDF5 file or a Zarr folder leads out of it or runs."""

import json
import pickle
from pathlib import Path
from typing import Any

import h5py
import numcodecs
import numpy as np
import pytest
import zarr

from firstsight.collections.images import inspect_image, read_image
from firstsight.collections.readers import ImageFile, list_images
from firstsight.errors import FirstsightError

STACK = np.random.default_rng(0).integers(0, 256, (3, 8, 11)).astype(np.uint8)


def status(path: Path) -> str:
    return str(inspect_image(ImageFile("x", path, None, (), None))["status"])


def test_nothing_leads_out_of_an_hdf5_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["images"] = STACK
    STACK.tofile(tmp_path / "secret.raw")
    path = tmp_path / "pile.h5"
    with h5py.File(path, "w") as file:
        file["group/plain"] = STACK[0]
        file["group/outside"] = h5py.ExternalLink("secret.h5", "/images")
        file["group/soft"] = h5py.SoftLink("/group/outside")
        file["images"] = h5py.ExternalLink("secret.h5", "/images")
        file.create_dataset("raw", STACK.shape, "u1", external=[(str(tmp_path / "secret.raw"), 0, STACK.size)])
        virtual = h5py.VirtualLayout(STACK.shape, "u1")
        virtual[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "images", STACK.shape)
        file.create_virtual_dataset("virtual", virtual)
        file["masked/images"] = STACK
        file["masked/masks"] = h5py.ExternalLink("secret.h5", "/images")
    for name, message in [
        ("", "is a link"),
        (":/images", "is a link"),
        (":/images/deeper", "is a link"),
        (":/raw", "in other files"),
        (":/virtual", "in other files"),
        (":/masked/images", "is a link"),
    ]:
        with pytest.raises(FirstsightError, match=message):
            list_images(Path(f"{path}{name}"))
    found = {file.image: inspect_image(file)["status"] for file in list_images(Path(f"{path}:/group"))}
    assert found == {
        "group/plain": "ok",
        "group/outside": "data set /group/outside is a link, which is not followed",
        "group/soft": "data set /group/soft is a link, which is not followed",
    }
    assert status(Path(f"{path}:/raw[0]")).startswith("data set /raw has its values in other files")


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("place", ["filter", "compressor"])
def test_nothing_is_unpickled_from_zarr(tmp_path: Path, place: str) -> None:
    folder, mark = tmp_path / "pile.zarr", tmp_path / "mark"
    folder.mkdir()
    codec = numcodecs.Pickle().get_config()
    described = {
        "zarr_format": 2,
        "shape": [1, 4, 4],
        "chunks": [1, 4, 4],
        "dtype": "|u1",
        "compressor": codec if place == "compressor" else None,
        "filters": [codec] if place == "filter" else None,
        "fill_value": 0,
        "order": "C",
    }
    (folder / ".zarray").write_text(json.dumps(described))
    (folder / "0.0.0").write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(FirstsightError, match="has the codec 'pickle'"):
        list_images(folder)
    assert status(Path(f"{folder}:/[0]")).startswith("array / has the codec 'pickle'")
    assert not mark.exists()


def test_codecs_are_told_by_every_name_they_have(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "pile.zarr", name="images", data=STACK)
    described = json.loads((tmp_path / "pile.zarr/images/zarr.json").read_text())
    for codec in (
        {"name": "numcodecs.pickle", "id": "zlib"},
        {"name": "sharding_indexed", "configuration": {"codecs": [{"name": "vlen-utf8"}]}},
        "pickle",
        {},
    ):
        text = json.dumps({**described, "codecs": [*described["codecs"], codec]})
        (tmp_path / "pile.zarr/images/zarr.json").write_text(text)
        with pytest.raises(FirstsightError, match="codec"):
            list_images(tmp_path / "pile.zarr")


def test_zarr_with_common_codecs(tmp_path: Path) -> None:
    for name, options in {
        "sharded": {"chunks": (1, 4, 11), "shards": (2, 8, 11)},
        "blosc": {"compressors": zarr.codecs.BloscCodec()},
        "gzip2": {"zarr_format": 2, "compressors": numcodecs.GZip(), "filters": [numcodecs.Delta("u1")]},
    }.items():
        zarr.create_array(tmp_path / name, data=STACK, **options)
        for file, values in zip(list_images(tmp_path / name), STACK, strict=True):
            np.testing.assert_allclose(read_image(file.path)[..., 0], values / 255, atol=1e-7)
