"""State dicts: from a file or torchvision's URL into a network, with one clear line for every way to fail."""

import http.client
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from firstsight.errors import FirstsightError
from firstsight.features.digests import file_sha256
from firstsight.features.downloads import download_folder, ways_out
from firstsight.features.weights import Weights, hash_prefix

# torch.hub sets no timeout: behind a firewall that drops packets a download would wait for ever.
_TIMEOUT_SECONDS = 20.0


def load_state_dict(weights: Weights) -> tuple[dict[str, Tensor], str]:
    """The tensors of an extractor's weights, on the CPU, and the sha256 of their file.

    Weights given by a torchvision name are read from torch's download folder (``$TORCH_HOME/hub/checkpoints``), after a
    download if they are missing there. Files that end in ``.safetensors`` are read as such, others with
    ``weights_only=True``, so that no code in them runs.

    Args:
        weights: from ``resolve_weights``, of an extractor that has weights.

    Returns:
        The tensors by name (with a single copy in memory), and 64 hexadecimal digits.

    Raises:
        FirstsightError: a file that is missing, unreadable, truncated or not a state dict; a download that fails; a
            download whose sha256 is not the one in its name.
    """
    path = weights.file or _downloaded(weights)
    sha256 = file_sha256(path)
    if weights.download is not None and not sha256.startswith(hash_prefix(weights.download)):
        raise FirstsightError(f"{str(path)!r} is damaged (its sha256 is {sha256[:8]}...): delete it and start again")
    try:
        content = _read(path)
    # The unpickler can fail in any way on other bytes, from IndexError to UnicodeDecodeError.
    except Exception as error:
        raise FirstsightError(
            f"{str(path)!r} cannot be read as a state dict: it is truncated, was not written by torch.save, "
            f"or holds more than tensors ({type(error).__name__})"
        ) from error
    if not isinstance(content, Mapping) or not content:
        raise FirstsightError(f"{str(path)!r} is not a state dict: it holds a {type(content).__name__}")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise FirstsightError(
                f"{str(path)!r} is not a state dict: its entry {key!r} is a {type(value).__name__}, not a tensor"
            )
    return dict(content), sha256


def fill(network: nn.Module, state_dict: Mapping[str, Tensor], name: str) -> None:
    """Fill a network with the tensors of a state dict, which may come from a deeper network.

    Entries of modules that the network does not have (deeper layers, the classifier) are ignored. Tensors become
    float32; the network may be on the meta device.

    Args:
        network: is filled in place.
        state_dict: tensors by torchvision's names; ``num_batches_tracked`` may be absent.
        name: the extractor's name, for error messages.

    Raises:
        FirstsightError: entries that the network needs are missing or have another shape, or one of its modules lacks
            an entry of the state dict (the weights of another architecture).
    """
    needed = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    missing = [key for key in needed if key not in state_dict]
    if missing:
        raise FirstsightError(f"the weights lack what {name} needs: {_some(missing)}")
    reshaped = [
        f"{key} is {tuple(state_dict[key].shape)}, not {tuple(value.shape)}"
        for key, value in needed.items()
        if state_dict[key].shape != value.shape
    ]
    if reshaped:
        raise FirstsightError(f"the weights are not those of {name}: {_some(reshaped)}")
    children = {key.partition(".")[0] for key in needed}
    unknown = [
        key
        for key in state_dict
        if key.partition(".")[0] in children and key not in needed and not key.endswith("num_batches_tracked")
    ]
    if unknown:
        raise FirstsightError(f"the weights are not those of {name}, which has no {_some(unknown)}")
    tensors = {key: state_dict[key].to(torch.float32) for key in needed}
    counters = {key: torch.zeros((), dtype=torch.int64) for key in network.state_dict() if key not in needed}
    network.load_state_dict(tensors | counters, assign=True)


def _read(path: Path) -> object:
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, weights_only=True, map_location="cpu")


def _downloaded(weights: Weights) -> Path:
    """The file of a torchvision name in torch's download folder, downloaded first if it is missing."""
    assert weights.download is not None
    folder = download_folder()
    path = folder / weights.download
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _timeout(_TIMEOUT_SECONDS):
            torch.hub.download_url_to_file(
                weights.address, os.fspath(path), hash_prefix(weights.download), progress=False
            )
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        reason = str(getattr(error, "reason", error)).partition("\n")[0]
        raise FirstsightError(
            f"the weights {path.name} of extractor {weights.extractor} could not be downloaded ({reason}): "
            f"{ways_out(f'$TORCH_HOME/hub/checkpoints (now {folder})')}"
        ) from error
    return path


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _some(items: Iterable[str]) -> str:
    names = list(items)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
