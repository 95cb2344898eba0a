"""Which weights an extractor runs with: a torchvision name or a file, and the fingerprint of either.

Nothing here loads or downloads weights, or imports torch: this is what the workflow asks when it plans.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from firstsight.errors import FirstsightError
from firstsight.features.registry import find_extractor

NO_WEIGHTS = "none"


@dataclass(frozen=True)
class Weights:
    """Where the weights of an extractor come from.

    Attributes:
        extractor: the extractor's name.
        file: the file that holds them, where one was named.
        download: name of the file that torchvision downloads, where a torchvision name was given; it ends in the first
            eight hexadecimal digits of the sha256 of the file.
        url: where to download it from; None for the address that torchvision has.
    """

    extractor: str
    file: Path | None = None
    download: str | None = None
    url: str | None = None


def resolve_weights(name: str, weights: str | os.PathLike[str] | None = None) -> Weights:
    """What ``features.weights`` of a config means for an extractor.

    Args:
        name: an extractor of the registry.
        weights: one of torchvision's names (``IMAGENET1K_V1``), the path of a file, or None for the extractor's default
            torchvision name. An extractor without weights takes None only.

    Raises:
        FirstsightError: an unknown extractor or name, weights for an extractor that has none, or a file that is
            missing.
    """
    spec = find_extractor(name)
    if not spec.needs_weights:
        if weights is not None:
            raise FirstsightError(f"extractor {name} has no weights, but was given {str(weights)!r}: leave weights out")
        return Weights(name)
    if weights is None:
        return Weights(name, download=next(iter(spec.weights.values())))
    if str(weights) in spec.weights:
        return Weights(name, download=spec.weights[str(weights)])
    path = Path(weights)
    if path.is_file():
        return Weights(name, file=path)
    if is_missing_file(name, weights):
        raise FirstsightError(f"the weights of {name} are not there: {str(weights)!r} is not a file")
    raise FirstsightError(
        f"unknown weights {str(weights)!r} of {name}: choose one of {', '.join(spec.weights)}, or give a file"
    )


def is_missing_file(name: str, weights: str | os.PathLike[str]) -> bool:
    """Whether ``features.weights`` means a file, by how it looks, and there is no such file."""
    path = Path(weights)
    looks_like_a_file = bool(path.suffix) or os.sep in str(weights) or path.exists()
    return looks_like_a_file and str(weights) not in find_extractor(name).weights and not path.is_file()


def weights_fingerprint(name: str, weights: str | os.PathLike[str] | None = None) -> str:
    """The first eight hexadecimal digits of the sha256 of an extractor's weights; ``none`` where it has no weights.

    The file of a torchvision name carries these digits in its own name, so nothing is downloaded, and the same weights
    have the same fingerprint whether they are named or given as a file.

    Raises:
        FirstsightError: as ``resolve_weights``, or a file that cannot be read.
    """
    resolved = resolve_weights(name, weights)
    if resolved.file is not None:
        return file_sha256(resolved.file)[:8]
    if resolved.download is not None:
        return hash_prefix(resolved.download)
    return NO_WEIGHTS


def hash_prefix(download: str) -> str:
    """The first digits of the sha256 that a downloaded file has in its name: ``f37072fd`` of resnet18-f37072fd.pth."""
    return PurePosixPath(download).stem.rpartition("-")[2]


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal digits; raises FirstsightError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FirstsightError(f"the weights {str(path)!r} cannot be read: {error.strerror}") from error
