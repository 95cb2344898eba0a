import socket
import threading
from pathlib import Path

import pytest
import torch
from torchvision.models import get_model_weights

from firstsight.errors import FirstsightError
from firstsight.features.downloads import download_folder, why_no_answer, why_unavailable
from firstsight.features.registry import EXTRACTORS
from firstsight.features.weights import resolve_weights

FILE = "resnet18-f37072fd.pth"


@pytest.fixture(autouse=True)
def forgotten() -> None:
    """No answer of an earlier test counts."""
    why_no_answer.cache_clear()


@pytest.mark.parametrize(
    "variables",
    [{"TORCH_HOME": "/models"}, {"TORCH_HOME": "~/models"}, {"XDG_CACHE_HOME": "/var/cache"}, {}],
)
def test_the_folder_of_downloads_is_torchs(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert download_folder() == Path(torch.hub.get_dir()) / "checkpoints"


@pytest.mark.parametrize("name", [name for name, spec in EXTRACTORS.items() if spec.weights])
def test_the_addresses_are_torchvisions(name: str) -> None:
    urls = {weights.name: weights.url for weights in get_model_weights(name)}
    assert {one: resolve_weights(name, one).address for one in EXTRACTORS[name].weights} == {
        one: urls[one] for one in EXTRACTORS[name].weights
    }


def test_weights_that_cannot_be_had_are_told_before_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    # Nobody listens there.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    why = why_unavailable("resnet18")
    assert why is not None
    assert "\n" not in why
    assert f"the weights {FILE} of resnet18 are not in {tmp_path}" in why
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    (tmp_path / "hub/checkpoints" / FILE).write_bytes(b"")
    assert why_unavailable("resnet18") is None
    assert why_unavailable("resnet18", tmp_path / "w.pth") == (
        f"the weights of resnet18 are not there: {str(tmp_path / 'w.pth')!r} is not a file"
    )
    (tmp_path / "w.pth").write_bytes(b"")
    assert why_unavailable("resnet18", tmp_path / "w.pth") is None
    with pytest.raises(FirstsightError, match="unknown weights 'mine'"):
        why_unavailable("resnet18", "mine")


def test_an_address_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    requests = []

    def answer(server: socket.socket) -> None:
        while True:
            connection, _ = server.accept()
            requests.append(connection.recv(4096).split()[0])
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer, args=(server,), daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/{FILE}"
        assert [why_no_answer(url) for _ in range(3)] == [None] * 3
    assert requests == [b"HEAD"]


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("firstsight.features.downloads._ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert why_no_answer(f"http://127.0.0.1:{silent.getsockname()[1]}/{FILE}") == "timed out"
