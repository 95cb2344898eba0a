import hashlib
import os
from pathlib import Path

import pytest

from firstsight.errors import FirstsightError
from firstsight.features.digests import file_sha256
from firstsight.features.weights import resolve_weights, weights_fingerprint


def test_a_torchvision_name_and_nothing_mean_the_same() -> None:
    assert resolve_weights("resnet18", None) == resolve_weights("resnet18", "IMAGENET1K_V1")
    assert resolve_weights("resnet18").download == "resnet18-f37072fd.pth"
    assert weights_fingerprint("resnet18") == "f37072fd"
    assert weights_fingerprint("wide_resnet50_2", "IMAGENET1K_V1") == "95faca4d"
    assert weights_fingerprint("wide_resnet50_2", "IMAGENET1K_V2") == "9ba9bcbe"


def test_the_name_of_packaged_weights_and_nothing_mean_the_same() -> None:
    packaged = resolve_weights("efficientnet_lite0")
    assert packaged.file is not None
    assert packaged.file.is_file()
    assert resolve_weights("efficientnet_lite0", packaged.file.name) == packaged
    assert packaged.file.stem.endswith(f"-{weights_fingerprint('efficientnet_lite0')}")
    with pytest.raises(FirstsightError, match="weights of resnet18 are not there"):
        resolve_weights("resnet18", packaged.file.name)


def test_a_file_is_named_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"some weights")
    expected = hashlib.sha256(b"some weights").hexdigest()
    assert resolve_weights("resnet18", path).file == path
    assert resolve_weights("resnet18", str(path)).file == path
    assert weights_fingerprint("resnet18", path) == expected[:8]
    assert file_sha256(path) == expected


def test_a_file_without_suffix_in_the_working_directory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").write_bytes(b"")
    assert resolve_weights("resnet18", "mine").file == Path("mine")


def test_the_fingerprint_of_the_real_trunk(shared: Path) -> None:
    assert weights_fingerprint("resnet18", shared / "weights/resnet18_imagenet_trunk_layer3.pth") == "da8310f4"


def test_laws_has_no_weights() -> None:
    assert weights_fingerprint("laws") == "none"
    with pytest.raises(FirstsightError, match="laws has no weights, but was given 'IMAGENET1K_V1'"):
        resolve_weights("laws", "IMAGENET1K_V1")


@pytest.mark.parametrize("weights", ["missing.pth", "folder/missing", "folder/"])
def test_a_missing_file_is_named(weights: str) -> None:
    with pytest.raises(FirstsightError, match=f"weights of resnet18 are not there: '{weights}'"):
        resolve_weights("resnet18", weights)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match="is not a file"):
        resolve_weights("resnet18", tmp_path)


def test_an_unknown_name_lists_the_choices() -> None:
    with pytest.raises(FirstsightError, match="unknown weights 'IMAGENET1K_V3' of wide_resnet50_2: choose one"):
        resolve_weights("wide_resnet50_2", "IMAGENET1K_V3")
    with pytest.raises(FirstsightError, match="unknown extractor 'resnet20'"):
        weights_fingerprint("resnet20")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"")
    path.chmod(0)
    with pytest.raises(FirstsightError, match=r"weights.pth' cannot be read"):
        weights_fingerprint("resnet18", path)
