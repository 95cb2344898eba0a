"""Stacks: what is listed, and that every image is read by itself, as a file of its own would be."""

import hashlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from firstsight.collections.images import inspect_image, read_image, read_mask
from firstsight.collections.masks import inspect_masks
from firstsight.collections.readers import ImageFile, list_images
from firstsight.collections.stacks import Address, guess_stack, parse_address, real_files
from firstsight.errors import FirstsightError

RANDOM = np.random.default_rng(0)
STACK = RANDOM.integers(0, 256, (3, 8, 11)).astype(np.uint8)


def write(folder: Path, kind: str, values: np.ndarray, **options: Any) -> Path:
    """A stack of one kind in the folder; the path that a config would give."""
    if kind == "hdf5":
        with h5py.File(folder / "pile.h5", "w") as file:
            file.create_dataset("images", data=values, **options)
        return folder / "pile.h5"
    if kind == "zarr":
        zarr.create_array(folder / "pile.zarr", name="images", data=values, **options)
        return folder / "pile.zarr:/images"
    tifffile.imwrite(folder / "pile.tif", values, **{"photometric": "minisblack", **options})
    return folder / "pile.tif"


def address(name: str) -> Address | None:
    return parse_address(Path(name))


def status(path: Path) -> str:
    return str(inspect_image(ImageFile("x", path, None, (), None))["status"])


@pytest.mark.parametrize(
    "name",
    [
        "a/pile.h5:/images[17]",
        "pile.zarr:/a/b[0]",
        "x.h5:/a[3]/b[...]",
        "pile.h5:/odd]:[1][...]",
        "pile.tif[5]",
        "é.h5:/é[1]",
    ],
)
def test_an_address_is_read_as_it_is_written(name: str) -> None:
    found = address(name)
    assert found is not None
    assert str(found) == name
    assert parse_address(Path(str(found))) == found


def test_parts_of_an_address() -> None:
    assert address("pile.h5:/images[17]") == Address(Path("pile.h5"), "/images", 17)
    assert address("pile.h5:/images[...]") == Address(Path("pile.h5"), "/images", None)
    assert address("a/pile.tif[0]") == Address(Path("a/pile.tif"), None, 0)


@pytest.mark.parametrize("name", ["a.png", "tile[17].png", "pile.tif[...]", "pile.tif[-1]", "pile.h5:/images", "[3]"])
def test_other_paths_are_no_addresses(name: str) -> None:
    assert address(name) is None


def test_a_file_that_is_called_like_an_address_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tile[3]"
    tifffile.imwrite(path, STACK[0], photometric="minisblack")
    assert parse_address(path) is None
    assert status(path) == "ok"


@pytest.mark.parametrize("kind", ["hdf5", "zarr", "tiff_stack"])
@pytest.mark.parametrize("layout", ["auto", "given"])
def test_every_image_of_a_stack(tmp_path: Path, kind: str, layout: str) -> None:
    path = write(tmp_path, kind, STACK)
    assert guess_stack(path) == kind
    files = list_images(path, kind if layout == "given" else "auto")
    label = "pile" if kind == "tiff_stack" else "images"
    assert [file.image for file in files] == [f"{label}/0000{index}" for index in range(3)]
    for file, values in zip(files, STACK, strict=True):
        assert (file.label, file.masks, file.problem) == (None, (), None)
        np.testing.assert_allclose(read_image(file.path), np.repeat(values[..., None], 3, 2) / 255, atol=1e-7)
        row = inspect_image(file)
        assert row["sha256"] == hashlib.sha256(values.tobytes()).hexdigest()
        assert (row["height"], row["width"], row["channels"], row["dtype"]) == (8, 11, 1, "uint8")
        assert (row["path"], row["status"]) == (str(file.path), "ok")


@pytest.mark.parametrize("kind", ["hdf5", "zarr", "tiff_stack"])
@pytest.mark.parametrize(
    "values",
    [
        STACK.astype(np.uint16) * 257,
        RANDOM.integers(-5, 99, (2, 8, 11)).astype(np.int16),
        STACK > 100,
        RANDOM.random((2, 8, 11)).astype(np.float32),
        RANDOM.normal(size=(2, 8, 11)) * 1e3,
        RANDOM.random((2, 8, 11)).astype(np.float16),
        RANDOM.integers(0, 256, (2, 8, 11, 3)).astype(np.uint8),
        RANDOM.integers(0, 65536, (2, 8, 11, 4)).astype(np.uint16),
        RANDOM.random((1, 8, 11, 3)).astype(np.float32),
    ],
    ids=lambda values: f"{values.dtype} {values.shape}",
)
def test_numbers_are_scaled_as_those_of_files(tmp_path: Path, kind: str, values: np.ndarray) -> None:
    more: dict[str, Any] = {"photometric": "rgb"} if kind == "tiff_stack" and values.ndim == 4 else {}
    if kind == "tiff_stack" and values.ndim == 4 and values.shape[3] == 4:
        more["extrasamples"] = ["unassalpha"]
    files = list_images(write(tmp_path, kind, values, **more))
    assert len(files) == len(values)
    for file, own in zip(files, values, strict=True):
        single = tmp_path / "single.tif"
        options = {"photometric": "rgb" if own.ndim == 3 else "minisblack"}
        tifffile.imwrite(single, own, **options, **({"extrasamples": ["unassalpha"]} if own.shape[2:] == (4,) else {}))
        np.testing.assert_array_equal(read_image(file.path), read_image(single))
        row = inspect_image(file)
        assert (row["status"], row["dtype"]) == ("ok", str(own.dtype))
        assert row["channels"] == (own.shape[2] if own.ndim == 3 else 1)


@pytest.mark.parametrize("kind", ["hdf5", "zarr", "tiff_stack"])
def test_one_bad_image_costs_no_other(tmp_path: Path, kind: str) -> None:
    values = RANDOM.random((4, 8, 11)).astype(np.float32)
    values[1, 2, 3] = np.inf
    values[2] = 0.5
    found = [inspect_image(file)["status"] for file in list_images(write(tmp_path, kind, values))]
    assert [text == "ok" for text in found] == [True, False, False, True]
    assert str(found[1]).startswith("not finite")
    assert str(found[2]).startswith("constant")


def test_a_damaged_chunk_of_hdf5(tmp_path: Path) -> None:
    path = write(tmp_path, "hdf5", STACK, chunks=(1, 8, 11), compression="gzip", fletcher32=True)
    with h5py.File(path) as file:
        place = file["images"].id.get_chunk_info(1)
    content = bytearray(path.read_bytes())
    content[place.byte_offset + 5 : place.byte_offset + 20] = bytes(15)
    path.write_bytes(content)
    found = [str(inspect_image(file)["status"]) for file in list_images(path)]
    assert [text == "ok" for text in found] == [True, False, True]
    assert found[1].startswith("damaged HDF5 file")
    assert inspect_image(list_images(path)[1])["sha256"] is None


@pytest.mark.parametrize("version", [2, 3])
def test_a_damaged_chunk_of_zarr(tmp_path: Path, version: int) -> None:
    path = write(tmp_path, "zarr", STACK, chunks=(1, 8, 11), zarr_format=version)
    folder = tmp_path / "pile.zarr/images"
    chunk = folder / ("c/1/0/0" if version == 3 else "1.0.0")
    chunk.write_bytes(b"no chunk")
    found = [str(inspect_image(file)["status"]) for file in list_images(path)]
    assert [text == "ok" for text in found] == [True, False, True]
    assert found[1].startswith("damaged Zarr file")


def test_a_damaged_page(tmp_path: Path) -> None:
    path = write(
        tmp_path, "tiff_stack", RANDOM.integers(0, 256, (3, 40, 50)).astype(np.uint8), compression="zlib", metadata=None
    )
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[1].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + 50] = bytes(50)
    path.write_bytes(content)
    found = [str(inspect_image(file)["status"]) for file in list_images(path)]
    assert [text == "ok" for text in found] == [True, False, True]
    assert found[1].startswith("damaged TIFF file")


def test_a_file_that_shrank(tmp_path: Path) -> None:
    for kind in ("hdf5", "zarr", "tiff_stack"):
        last = list_images(write(tmp_path, kind, STACK))[-1].path
        if kind == "zarr":
            zarr.open_array(tmp_path / "pile.zarr/images", mode="r+").resize((1, 8, 11))
        else:
            write(tmp_path, kind, STACK[:1])
        assert status(last) != "ok"
    assert status(tmp_path / "gone.h5:/images[0]") == status(tmp_path / "gone.tif[0]") == "no such file"


@pytest.mark.parametrize("kind", ["hdf5", "zarr"])
def test_members_of_a_group_are_images_of_their_own_size(tmp_path: Path, kind: str) -> None:
    images = {"a": STACK[0], "b": RANDOM.random((4, 5, 3)), "c.png": STACK[:, :5], "deep": None, "odd]:[1]": STACK[1]}
    if kind == "hdf5":
        with h5py.File(tmp_path / "pile.h5", "w") as file:
            for name, values in images.items():
                file.create_group(f"x/{name}") if values is None else file.create_dataset(f"x/{name}", data=values)
        path = tmp_path / "pile.h5:/x"
    else:
        group = zarr.open_group(tmp_path / "pile.zarr", mode="w")
        for name, values in images.items():
            group.create_group(f"x/{name}") if values is None else group.create_array(f"x/{name}", data=values)
        path = tmp_path / "pile.zarr:/x"
    files = list_images(path)
    assert [file.image for file in files] == [f"x/{name}" for name in sorted(images)]
    found = {file.image: inspect_image(file) for file in files}
    assert (found["x/a"]["height"], found["x/a"]["width"]) == (8, 11)
    assert (found["x/b"]["height"], found["x/b"]["channels"]) == (4, 3)
    assert found["x/odd]:[1]"]["status"] == "ok"
    assert "shape (3, 5, 11) holds no images" in str(found["x/c.png"]["status"])
    assert str(found["x/deep"]["status"]).startswith(("/x/deep is no data set", "no array /x/deep"))
    with pytest.raises(FirstsightError, match=r"no (data set|array) /y; there are x"):
        list_images(path.parent / "y")


def test_which_data_set_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "pile.h5"
    with h5py.File(path, "w") as file:
        file["only"] = STACK
    assert [file.image for file in list_images(path)] == ["only/00000", "only/00001", "only/00002"]
    with h5py.File(path, "a") as file:
        file["other"] = STACK[:1]
    with pytest.raises(FirstsightError, match=r"say which data set .*pile.h5:/images; there are only, other"):
        list_images(path)
    assert len(list_images(Path(f"{path}:/other"))) == 1
    # A path drops the slash at its end.
    assert [file.image for file in list_images(Path(f"{path}:/"))] == ["only", "other"]
    with h5py.File(path, "a") as file:
        file["images"] = STACK[0]
    assert [(file.image, file.path.name) for file in list_images(path)] == [("images", "images[...]")]


def test_an_array_that_is_the_whole_zarr_folder(tmp_path: Path) -> None:
    for name, version in (("three", 3), ("two.zarr", 2)):
        zarr.create_array(tmp_path / name, data=STACK, zarr_format=version)
        files = list_images(tmp_path / name)
        assert [file.path.name for file in files] == [f"[{index}]" for index in range(3)]
        assert files[1].image == f"{Path(name).stem}/00001"
        np.testing.assert_allclose(read_image(files[1].path)[..., 0], STACK[1] / 255, atol=1e-7)


@pytest.mark.parametrize("kind", ["hdf5", "zarr"])
def test_masks_beside_images(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind, STACK)
    masks = STACK > 200
    if kind == "hdf5":
        with h5py.File(path, "a") as file:
            file["masks"] = masks
    else:
        zarr.create_array(tmp_path / "pile.zarr", name="masks", data=masks)
    for file, mask in zip(list_images(path), masks, strict=True):
        np.testing.assert_array_equal(read_mask(file.masks[0]), mask)
        assert inspect_masks(file.masks, 8, 11) == ("ok", mask.mean())
    if kind == "hdf5":
        with h5py.File(path, "a") as file:
            del file["masks"]
            file["masks"] = masks[:2]
        with pytest.raises(FirstsightError, match=r"/masks has shape \(2, 8, 11\), /images has \(3, 8, 11\)"):
            list_images(path)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("hdf5", np.zeros((0, 8, 8), np.uint8), "no images in"),
        ("zarr", np.zeros((0, 8, 8), np.uint8), "no images in"),
        ("hdf5", np.zeros((2, 3, 8, 8), np.uint8), r"shape \(2, 3, 8, 8\) holds no images"),
        ("zarr", np.zeros((2, 8, 8, 0), np.uint8), r"holds no images"),
        ("hdf5", np.zeros(5), r"shape \(5,\) holds no images"),
        ("hdf5", np.zeros((2, 4, 4), np.complex64), "holds values of type complex64"),
        ("zarr", np.zeros((2, 4, 4), "datetime64[s]"), "holds values of type datetime64"),
        ("hdf5", np.zeros((2, 4, 4), [("a", "i4"), ("b", "f4")]), "not numbers"),
        ("hdf5", np.array([[[b"a"]]]), "not numbers"),
    ],
)
def test_what_is_no_stack_is_one_line(tmp_path: Path, kind: str, values: np.ndarray, message: str) -> None:
    with pytest.raises(FirstsightError, match=message) as caught:
        list_images(write(tmp_path, kind, values))
    assert "\n" not in str(caught.value)
    assert "pile" in str(caught.value)


def test_what_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no HDF5")
    (tmp_path / "text.tif").write_text("no TIFF")
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr/zarr.json").write_text("{")
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "empty.zarr/.zgroup").write_text("{}")
    for name, layout in [
        ("text.h5", "hdf5"),
        ("text.h5:/images", "auto"),
        ("text.tif", "auto"),
        ("a.zarr", "auto"),
        ("empty.zarr", "zarr"),
        ("gone.h5:/images", "hdf5"),
        ("gone.h5:/images", "auto"),
        ("text.h5", "zarr"),
        ("a.zarr", "hdf5"),
        ("text.tif:/images", "tiff_stack"),
        ("a.zarr:/../empty.zarr", "zarr"),
    ]:
        with pytest.raises(FirstsightError) as caught:
            list_images(tmp_path / name, layout)
        assert "\n" not in str(caught.value)
        assert name.split(":")[0] in str(caught.value)


def test_a_shape_that_is_only_declared(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "pile.h5", "w") as file:
        file.create_dataset("large", shape=(2, 10**6, 10**6), dtype="u1", chunks=(1, 512, 512))
        file.create_dataset("many", shape=(10**12, 4, 4), dtype="u1", chunks=(1, 4, 4))
    zarr.create_array(tmp_path / "pile.zarr", shape=(2, 10**6, 10**6), chunks=(1, 512, 512), dtype="u1")
    for path in (tmp_path / "pile.h5:/large", tmp_path / "pile.zarr"):
        row = inspect_image(list_images(path)[0])
        assert str(row["status"]).startswith("too large")
        assert row["sha256"] is None
    with pytest.raises(FirstsightError, match="declares 1,000,000,000,000 images"):
        list_images(tmp_path / "pile.h5:/many")


def test_an_image_is_read_without_the_others(tmp_path: Path) -> None:
    """Of an array with a chunk an image, only that image's chunk is there."""
    path = write(tmp_path, "zarr", STACK, chunks=(1, 8, 11))
    for index in (0, 2):
        (tmp_path / f"pile.zarr/images/c/{index}/0/0").write_bytes(b"damaged")
    assert status(list_images(path)[1].path) == "ok"


@pytest.mark.parametrize("kind", ["hdf5", "tiff_stack"])
def test_the_file_that_changes_with_an_image(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind, STACK)
    assert real_files(list_images(path)[1].path) == [path]
    assert real_files(tmp_path / "a.png") == [tmp_path / "a.png"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (1, 8, 11)},
        {"chunks": (2, 3, 4)},
        {"chunks": (2, 3, 4), "zarr_format": 2},
        {"chunks": (1, 8, 4), "chunk_key_encoding": {"name": "default", "separator": "."}},
        {"chunks": (1, 8, 4), "chunk_key_encoding": {"name": "v2", "separator": "/"}},
        {"chunks": (1, 4, 11), "shards": (2, 8, 11)},
    ],
)
def test_the_chunks_that_change_with_an_image(tmp_path: Path, options: dict[str, Any]) -> None:
    files = list_images(write(tmp_path, "zarr", STACK, **options))
    array = zarr.open_array(tmp_path / "pile.zarr/images", mode="r+")
    for index, file in enumerate(files):
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
        # Others in the same chunk are written again with it.
        array[index] = 255 - STACK[index]
        changed = {path for path, time in before.items() if path.stat().st_mtime_ns != time}
        assert changed == set(real_files(file.path))


def test_chunks_that_are_not_there_or_too_many(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "empty.zarr", shape=(2, 8, 8), dtype="u1", chunks=(1, 8, 8))
    assert real_files(list_images(tmp_path / "empty.zarr")[0].path) == []
    zarr.create_array(tmp_path / "large.zarr", shape=(2, 10**6, 10**6), dtype="u1", chunks=(1, 8, 8))
    path = list_images(tmp_path / "large.zarr")[0].path
    assert real_files(path) == [tmp_path / "large.zarr"]
    (tmp_path / "large.zarr/zarr.json").write_text("{}")
    assert real_files(path) == [tmp_path / "large.zarr"]


def test_pages_that_imagej_left_out(tmp_path: Path) -> None:
    path = tmp_path / "pile.tif"
    tifffile.imwrite(path, STACK, imagej=True)
    content = path.read_bytes()
    # Files beyond 4 GB have a single page, and the number of images in its description.
    with tifffile.TiffFile(path) as tiff:
        end = tiff.pages[0].offset
        count = int.from_bytes(content[end : end + 2], (tiff.byteorder == ">" and "big") or "little")
    assert len(list_images(path)) == 3
    cut = end + 2 + 12 * count
    path.write_bytes(content[:cut] + bytes(4) + content[cut + 4 :])
    with pytest.raises(FirstsightError, match="says that it holds 3 images, but has pages for 1 only"):
        list_images(path)


@pytest.mark.parametrize("kind", ["hdf5", "zarr"])
def test_one_colour_image_is_no_stack(tmp_path: Path, kind: str) -> None:
    values = np.random.default_rng(2).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    path = write(tmp_path, kind, values)
    (only,) = list_images(path)
    assert only.image == "images"
    assert np.array_equal(read_image(only.path), values / np.float32(255))
    assert len(list_images(path, axes="NHW")) == 24
    assert len(list_images(path, axes="HWC")) == 1
    with pytest.raises(FirstsightError, match=r"axes NHWC do not fit the data set /images of shape \(24, 20, 3\)"):
        list_images(path, axes="NHWC")


def test_thumbnails_among_pages_are_no_images(tmp_path: Path) -> None:
    page = np.random.default_rng(2).integers(0, 256, (24, 20), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "pile.tif") as writer:
        for kind in (1, 0, 0):
            writer.write(page, subfiletype=kind, photometric="minisblack")
    assert [file.image for file in list_images(tmp_path / "pile.tif")] == ["pile/00001", "pile/00002"]


@pytest.mark.parametrize("kind", ["hdf5", "zarr"])
def test_a_stack_that_may_be_a_colour_image_says_so(tmp_path: Path, kind: str) -> None:
    path = list_images(write(tmp_path, kind, STACK))[0].path
    remark = "the data set of shape (3, 8, 11) is read as 3 images; one colour image would be (H, W, C)"
    assert inspect_image(ImageFile("x", path, None, (), None))["remark"] == remark
    path = list_images(
        write(tmp_path, kind, np.concatenate([STACK] * 2), **({"overwrite": True} if kind == "zarr" else {}))
    )[0].path
    assert inspect_image(ImageFile("x", path, None, (), None))["remark"] is None


@pytest.mark.parametrize("kind", ["hdf5", "zarr"])
def test_the_value_that_a_data_set_names_as_none_is_missing(tmp_path: Path, kind: str) -> None:
    values = STACK.astype(np.float32)
    values[:, 0, :2] = -1
    path = list_images(write(tmp_path, kind, values))[0].path
    if kind == "hdf5":
        with h5py.File(tmp_path / "pile.h5", "a") as file:
            file["images"].attrs["_FillValue"] = np.float32(-1)
    else:
        zarr.open_array(tmp_path / "pile.zarr/images", mode="a").attrs["_FillValue"] = -1.0
    assert np.argwhere(np.isnan(read_image(path)[..., 0])).tolist() == [[0, 0], [0, 1]]
