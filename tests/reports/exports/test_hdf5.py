"""The HDF5 file, read back by h5py."""

import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from firstsight.reports.exports.findings import Findings, ImageFindings
from firstsight.reports.exports.hdf5 import write_hdf5


def test_everything_comes_back(findings: Findings, images: list[ImageFindings], tmp_path: Path) -> None:
    write_hdf5(findings, iter(images), tmp_path)
    with h5py.File(tmp_path / "maps.h5") as file:
        assert file["image"].asstr()[:].tolist() == [image.entry.image for image in images]
        assert file["cluster_name"].asstr()[:].tolist() == [image.entry.cluster_name for image in images]
        assert file["cluster"][:].tolist() == [0, -2, 2, 3, 4]
        np.testing.assert_array_equal(file["score"][:], np.array([image.score for image in images], np.float32))
        for number, image in enumerate(images):
            stored = file[f"maps/{number:06d}"]
            assert (stored.dtype, stored.compression) == (np.float32, "gzip")
            np.testing.assert_array_equal(stored[:], image.anomaly_map)
            np.testing.assert_array_equal(file[f"masks/{number:06d}"][:], image.labels > 0)
        assert json.loads(file.attrs["settings"]) == dict(findings.settings)
        told = {name: file.attrs[name] for name in ("collection", "detector", "method", "fingerprint", "threshold")}
    assert told == {name: value for name, value in findings.header().items() if name in told}


def test_images_are_written_as_they_come(findings: Findings, images: list[ImageFindings], tmp_path: Path) -> None:
    """What was read is on disk before the next image is read, so that memory does not grow with the collection."""
    sizes = []

    def one_by_one() -> Iterator[ImageFindings]:
        for image in images:
            large = np.random.default_rng(0).random((1500, 1500), np.float32)
            yield ImageFindings(image.entry, image.score, large, np.zeros((1500, 1500), np.int32), [], image.pixels)
            sizes.append((tmp_path / "maps.h5").stat().st_size)

    write_hdf5(findings, one_by_one(), tmp_path)
    assert (np.diff(sizes) > 5e6).all()


def test_a_collection_without_maps(nothing: Findings, tmp_path: Path) -> None:
    write_hdf5(nothing, iter([]), tmp_path)
    with h5py.File(tmp_path / "maps.h5") as file:
        assert file["image"].shape == file["score"].shape == (0,)
        assert np.isnan(file.attrs["threshold"])
