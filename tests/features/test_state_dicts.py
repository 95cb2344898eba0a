import os
import pickle
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from firstsight.errors import FirstsightError
from firstsight.features.digests import file_sha256
from firstsight.features.state_dicts import fill, load_state_dict
from firstsight.features.weights import Weights, resolve_weights


class Code:
    """Pickles as a call that makes a file: proof of whether loading runs code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.path),)


FILE = "resnet18-f37072fd.pth"


def saved(path: Path, content: object) -> Weights:
    torch.save(content, path)
    return Weights("resnet18", file=path)


def shallow_network() -> nn.Module:
    network = nn.Module()
    network.layer1 = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
    return network


def test_a_saved_state_dict_comes_back(tmp_path: Path) -> None:
    content = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)}
    weights = saved(tmp_path / "w.pth", content)
    state_dict, sha256 = load_state_dict(weights)
    assert list(state_dict) == ["a", "b"]
    assert torch.equal(state_dict["a"], content["a"])
    assert sha256 == file_sha256(tmp_path / "w.pth")


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("content", [b"", b"not weights at all\n", b"\x80\x02", bytes(range(256)) * 40])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(FirstsightError, match="cannot be read as a state dict") as error:
        load_state_dict(Weights("resnet18", file=path))
    assert str(path) in one_line(error)


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, fraction: float) -> None:
    path = tmp_path / "w.pth"
    saved(path, {"a": torch.rand(100, 100)})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(fraction * len(whole))])
    with pytest.raises(FirstsightError, match="cannot be read as a state dict: it is truncated") as error:
        load_state_dict(Weights("resnet18", file=path))
    one_line(error)


def pickled(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("save", [torch.save, pickled])
def test_code_in_a_file_is_not_run(tmp_path: Path, save: Callable[[object, Path], None]) -> None:
    path, proof = tmp_path / "w.pth", tmp_path / "proof"
    save({"a": Code(proof)}, path)
    with pytest.raises(FirstsightError, match="holds more than tensors") as error:
        load_state_dict(Weights("resnet18", file=path))
    assert not proof.exists()
    one_line(error)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ([torch.zeros(2)], "it holds a list"),
        (torch.zeros(2), "it holds a Tensor"),
        ({}, "it holds a dict"),
        ({"state_dict": {"a": torch.zeros(2)}, "epoch": 3}, "its entry 'state_dict' is a dict, not a tensor"),
        ({3: torch.zeros(2)}, "its entry 3 is a Tensor"),
    ],
)
def test_other_contents_are_refused(tmp_path: Path, content: object, part: str) -> None:
    with pytest.raises(FirstsightError, match=f"is not a state dict: {part}"):
        load_state_dict(saved(tmp_path / "w.pth", content))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match=r"w.pth' cannot be read: No such file"):
        load_state_dict(Weights("resnet18", file=tmp_path / "w.pth"))


def test_a_failed_download_says_the_three_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is of this machine, at a port where nothing listens: refused with or without a network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    start = time.monotonic()
    with pytest.raises(FirstsightError, match=r"resnet18-f37072fd.pth of extractor resnet18 could not") as error:
        load_state_dict(Weights("resnet18", download=FILE, url=f"https://127.0.0.1:9/models/{FILE}"))
    assert time.monotonic() - start < 5
    text = one_line(error)
    assert "features.weights" in text
    assert f"$TORCH_HOME/hub/checkpoints (now {tmp_path}/hub/checkpoints)" in text
    assert "or use efficientnet_lite0, whose weights are installed, or laws" in text
    assert list((tmp_path / "hub/checkpoints").iterdir()) == []


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("firstsight.features.state_dicts._TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{FILE}"
        with pytest.raises(FirstsightError, match=r"could not be downloaded \(timed out\)"):
            load_state_dict(Weights("resnet18", download=FILE, url=url))
    assert socket.getdefaulttimeout() is None


def test_a_folder_of_downloads_that_cannot_be_made_is_the_same_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    with pytest.raises(FirstsightError, match="could not be downloaded"):
        load_state_dict(resolve_weights("resnet18"))


def test_a_file_put_into_the_folder_of_downloads_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save({"a": torch.ones(2)}, folder / "new.pth")
    sha256 = file_sha256(folder / "new.pth")
    (folder / "new.pth").rename(folder / f"net-{sha256[:8]}.pth")
    state_dict, found = load_state_dict(Weights("net", download=f"net-{sha256[:8]}.pth"))
    assert found == sha256
    assert torch.equal(state_dict["a"], torch.ones(2))


def test_a_download_with_another_content_than_its_name_says_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save({"a": torch.ones(2)}, folder / "resnet18-f37072fd.pth")
    with pytest.raises(FirstsightError, match=r"resnet18-f37072fd.pth' is damaged"):
        load_state_dict(resolve_weights("resnet18"))


def test_fill_casts_and_ignores_what_lies_deeper() -> None:
    network = shallow_network()
    weights = {key: value.double() for key, value in shallow_network().state_dict().items() if "num_b" not in key}
    fill(network, {**weights, "layer2.0.weight": torch.ones(3), "fc.bias": torch.ones(3)}, "net")
    filled = network.state_dict()["layer1.0.weight"]
    assert filled.dtype == torch.float32
    assert torch.equal(filled, weights["layer1.0.weight"].float())


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"layer1.0.weight": None}, "lack what net needs: layer1.0.weight$"),
        ({f"layer1.1.{key}": None for key in ("weight", "bias", "running_mean", "running_var")}, r"and 1 more$"),
        ({"layer1.0.weight": torch.ones(4, 3, 5, 5)}, r"not those of net: layer1.0.weight is \(4, 3, 5, 5\), not \(4,"),
        ({"layer1.2.weight": torch.ones(3)}, "not those of net, which has no layer1.2.weight"),
    ],
)
def test_fill_names_what_does_not_fit(change: dict[str, torch.Tensor | None], part: str) -> None:
    weights = {**shallow_network().state_dict(), **change}
    with pytest.raises(FirstsightError, match=part):
        fill(shallow_network(), {key: value for key, value in weights.items() if value is not None}, "net")
