"""A network whose weights are missing gives way to one that is there, and that is said."""

from pathlib import Path

import pytest

from firstsight.errors import FirstsightError
from firstsight.features.downloads import why_no_answer
from firstsight.papers.trunks import find_trunk, weights_in


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    why_no_answer.cache_clear()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    # Nobody listens there.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")


def test_the_paper_s_own_network_comes_first(tmp_path: Path) -> None:
    for name in ("wide_resnet50_2-95faca4d.pth", "resnet18.pth"):
        (tmp_path / name).touch()
    trunk = find_trunk("wide_resnet50_2", tmp_path)
    assert trunk is not None
    assert trunk.features == {"extractor": "wide_resnet50_2", "weights": str(tmp_path / "wide_resnet50_2-95faca4d.pth")}
    assert (trunk.differs, trunk.layers) == ("", {})


def test_another_stands_in_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "resnet18_trunk.pth").touch()
    trunk = find_trunk("wide_resnet50_2", tmp_path)
    assert trunk is not None
    assert trunk.features["extractor"] == "resnet18"
    assert trunk.differs == "ResNet18 for Wide-ResNet50-2, whose weights are missing"
    trunk = find_trunk("wide_resnet50_2", None)
    assert trunk is not None
    assert trunk.features == {"extractor": "efficientnet_lite0"}
    assert trunk.layers["layer2"] == "stage2"


def test_nothing_stands_in_for_vgg19_and_filters_need_no_weights(tmp_path: Path) -> None:
    assert find_trunk("vgg19", tmp_path) is None
    laws = find_trunk("laws", None)
    assert laws is not None
    assert laws.features == {"extractor": "laws"}
    with pytest.raises(FirstsightError, match="--weights: no such folder"):
        weights_in(tmp_path / "nowhere", "vgg19")
