"""What phones, scanners and clinics write: AVIF, HEIF, JPEG 2000 and DICOM."""

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, features

from firstsight.collections.images import inspect_image, read_image
from firstsight.collections.more_formats import more_kind
from firstsight.collections.readers import ImageFile, list_images
from firstsight.errors import FirstsightError

ROWS, COLUMNS = np.mgrid[:48, :64]
SMOOTH = np.stack([ROWS * 5, COLUMNS * 3, 255 - ROWS - COLUMNS], axis=2).astype(np.uint8)


def assert_reads(path: Path, expected: NDArray[Any], tolerance: float) -> None:
    image = read_image(path)
    assert image.shape == expected.shape
    np.testing.assert_allclose(image, expected, rtol=0, atol=tolerance)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow was built without AVIF")
def test_avif(tmp_path: Path) -> None:
    path = tmp_path / "0.avif"
    Image.fromarray(SMOOTH).save(path, quality=95)
    assert_reads(path, SMOOTH / 255, 0.05)
    assert [file.image for file in list_images(tmp_path)] == ["0.avif"]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(FirstsightError, match="AVIF file"):
        read_image(path)


def test_heif(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "IMG_0001.HEIC"
    pillow_heif.from_pillow(Image.fromarray(SMOOTH)).save(path, quality=95)
    assert_reads(path, SMOOTH / 255, 0.05)
    assert [file.image for file in list_images(tmp_path)] == ["IMG_0001.HEIC"]
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(FirstsightError, match="HEIF file"):
        read_image(path)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("codec", ["jp2", "j2k"])
def test_jpeg_2000(tmp_path: Path, bits: int, channels: int, codec: str) -> None:
    values = (
        np.random.default_rng(0).integers(0, 2**bits, (40, 56, channels)).astype(np.uint8 if bits == 8 else np.uint16)
    )
    data = imagecodecs.jpeg2k_encode(values.squeeze(), level=0, codecformat=codec, bitspersample=bits, reversible=True)
    (tmp_path / "0.jp2").write_bytes(data)
    assert_reads(tmp_path / "0.jp2", np.broadcast_to(values / (2**bits - 1), (40, 56, 3)), 1e-6)
    (tmp_path / "0.jp2").write_bytes(data[: len(data) // 3])
    row = inspect_image(ImageFile("0", tmp_path / "0.jp2", None, (), None))
    assert row["status"] == "ok" or "JPEG 2000" in str(row["status"])
    (tmp_path / "0.jp2").write_bytes(data[:60])
    assert "JPEG 2000" in str(inspect_image(ImageFile("0", tmp_path / "0.jp2", None, (), None))["status"])


def write_dicom(path: Path, values: NDArray[Any], bits: int, **more: Any) -> None:
    pydicom = pytest.importorskip("pydicom")
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=["0"])
    data.Rows, data.Columns = values.shape[:2]
    data.SamplesPerPixel = 1 if values.ndim == 2 else values.shape[2]
    data.PhotometricInterpretation = "MONOCHROME2" if values.ndim == 2 else "RGB"
    if values.ndim == 3:
        data.PlanarConfiguration = 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8 * values.itemsize, bits, bits - 1
    data.PixelRepresentation = int(values.dtype.kind == "i")
    for name, value in more.items():
        setattr(data, name, value)
    data.PixelData = values.tobytes()
    data.save_as(path, enforce_file_format=True)


def test_dicom(tmp_path: Path) -> None:
    path = tmp_path / "0.dcm"
    values = np.random.default_rng(0).integers(0, 4096, (40, 56)).astype(np.uint16)
    write_dicom(path, values, 12)
    grey = np.broadcast_to(values[..., None] / 4095, (40, 56, 3))
    assert_reads(path, grey, 1e-6)
    assert [file.image for file in list_images(tmp_path)] == ["0.dcm"]
    write_dicom(path, values, 12, PhotometricInterpretation="MONOCHROME1")
    assert_reads(path, 1 - grey, 1e-6)
    values[:5, :7] = 0
    values[5:] = np.maximum(values[5:], 1)
    write_dicom(path, values, 12, PixelPaddingValue=0)
    assert np.isnan(read_image(path)[:5, :7]).all()
    write_dicom(path, SMOOTH, 8)
    assert_reads(path, SMOOTH / 255, 1e-6)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(FirstsightError, match="DICOM"):
        read_image(path)


def test_the_first_bytes_tell_the_format() -> None:
    assert more_kind(b"\0\0\0\x1cftypheic" + bytes(120)) == "HEIF"
    assert more_kind(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif" + bytes(110)) == "AVIF"
    assert more_kind(b"\0\0\0\x18ftypmp42" + bytes(120)) is None
    assert more_kind(bytes(132)) is None
