"""Whether weights that would be downloaded are to be had, asked while a run is planned: nothing here imports torch."""

import http.client
import os
import urllib.request
from functools import cache
from pathlib import Path

from firstsight.features.weights import is_missing_file, resolve_weights

# The user waits meanwhile.
_ANSWER_SECONDS = 5.0


def download_folder() -> Path:
    """Torch's folder of downloaded weights: ``$TORCH_HOME/hub/checkpoints``.

    Without ``$TORCH_HOME`` it lies in ``$XDG_CACHE_HOME/torch``, and without that in ``~/.cache/torch``, as the
    documentation of `torch.hub` says.
    """
    cache_home = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache_home, "torch"))
    return Path(home).expanduser() / "hub" / "checkpoints"


def ways_out(folder: str) -> str:
    """What to do about weights that cannot be downloaded, given how to name the folder where they would lie."""
    return (
        f"give a file in features.weights, or put it into {folder}, or use efficientnet_lite0, whose weights are "
        "installed, or laws, which needs none"
    )


def why_unavailable(name: str, weights: str | os.PathLike[str] | None = None) -> str | None:
    """Why an extractor's weights are unavailable on this machine, in one line; None if they are available.

    A file must exist. Weights given by a torchvision name must be in torch's download folder, or their URL must answer;
    nothing is downloaded.

    Raises:
        FirstsightError: as `resolve_weights`, except for a missing file.
    """
    if weights is not None and is_missing_file(name, weights):
        return f"the weights of {name} are not there: {str(weights)!r} is not a file"
    resolved = resolve_weights(name, weights)
    if resolved.download is None or (download_folder() / resolved.download).is_file():
        return None
    problem = why_no_answer(resolved.address)
    if problem is None:
        return None
    return f"the weights {resolved.download} of {name} are not in {download_folder()}, nor to be had ({problem})"


@cache
def why_no_answer(url: str) -> str | None:
    """Why nothing answers at a URL, in one line; None if something does.

    Every URL is asked only once in a process, however many collections need it: a dead network may take seconds to
    notice.
    """
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_ANSWER_SECONDS):
            return None
    except (OSError, http.client.HTTPException) as error:
        return str(getattr(error, "reason", error)).partition("\n")[0]
