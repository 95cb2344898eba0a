"""What is known of a network of timm is measured by a process of its own, once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from firstsight.errors import FirstsightError, WeightsError
from firstsight.features import timm_models
from firstsight.features.timm_models import is_timm_name, timm_geometry, timm_weights
from timm_samples import random_weights


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches on a machine without a network; the folder of the first."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "cache"


def test_names() -> None:
    assert is_timm_name("timm/convnext_tiny.fb_in22k")
    assert is_timm_name("timm/resnet18")
    assert not any(map(is_timm_name, ("resnet18", "timm/", "timm/../x", "timm/hf-hub:me/mine", "timm/a/b")))


def test_it_is_measured_once_and_without_torch_the_second_time(
    tmp_path: Path, offline: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = random_weights(tmp_path, "test_resnet")
    first = timm_geometry("timm/test_resnet", weights)
    assert capsys.readouterr().err == "firstsight: measuring timm/test_resnet once, which may take some minutes\n"
    assert [place["stride"] for place in first["layers"].values()] == [2, 4, 8, 16, 32]
    monkeypatch.setattr(timm_models, "_ask", None)
    assert timm_geometry("timm/test_resnet", weights) == first
    assert capsys.readouterr().err == ""
    line = (
        "import sys; from firstsight.features.registry import find_extractor; "
        f"find_extractor('timm/test_resnet', {str(weights)!r}); print(*sys.modules)"
    )
    modules = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "timm"} & set(modules)


def test_a_damaged_file_is_measured_again(tmp_path: Path, offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"weights")
    monkeypatch.setattr(timm_models, "_ask", lambda _: {"layers": {}})
    assert timm_geometry("timm/test_resnet", weights) == {"layers": {}}
    (kept,) = offline.rglob("*.json")
    kept.write_text("{")
    assert timm_geometry("timm/test_resnet", weights) == {"layers": {}}
    assert json.loads(kept.read_text()) == {"layers": {}}


@pytest.mark.usefixtures("offline")
def test_without_a_network_the_ways_out_are_one_line() -> None:
    with pytest.raises(WeightsError, match=r"^the weights of timm/resnet18 are not in .*, nor to be had \(") as caught:
        timm_weights("timm/resnet18")
    text = str(caught.value)
    assert "\n" not in text
    for way in ("a file in features.weights", "copy that folder", "or use efficientnet_lite0", "or laws"):
        assert way in text


@pytest.mark.usefixtures("offline")
def test_an_unknown_model_has_those_that_are_close(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match=r"^timm has no model 'resnet19'; did you mean timm/resnet") as caught:
        timm_weights("timm/resnet19")
    assert not isinstance(caught.value, WeightsError)
    (tmp_path / "w.pth").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="cannot be read as a state dict"):
        timm_geometry("timm/test_resnet", tmp_path / "w.pth")


@pytest.mark.usefixtures("offline")
def test_downloaded_weights_are_remembered_until_they_are_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"0")
    questions = []

    def ask(question: dict[str, str]) -> dict[str, str]:
        questions.append(question)
        return {"file": str(weights)}

    monkeypatch.setattr(timm_models, "_ask", ask)
    assert [timm_weights("timm/resnet18") for _ in range(2)] == [weights, weights]
    assert len(questions) == 1
    weights.rename(tmp_path / "v.pth")
    timm_weights("timm/resnet18")
    assert len(questions) == 2
