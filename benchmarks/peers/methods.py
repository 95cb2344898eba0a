"""What is compared; what a method needs is imported with it, so that the memory of others does not count."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from pkgutil import resolve_name

from found import Found
from piles import Pile

Find = Callable[[Pile, Sequence[int], Sequence[int], Path], Iterator[Found]]
"""Takes a pile, the places of the images to learn from and to search, and the weights of ResNet18."""

METHODS = {
    "blind_default": "firstsight_detectors:blind_default",
    "fca_default": "firstsight_detectors:fca_default",
    "blind": "firstsight_detectors:blind",
    "fca": "firstsight_detectors:fca",
    "patchcore": "anomalib_models:patchcore",
    "mh_patchcore": "anomalib_models:mh_patchcore",
    "padim": "anomalib_models:padim",
    "ecod": "pyod_models:ecod",
    "knn": "pyod_models:nearest",
}


def find_method(name: str) -> Find:
    """The function of a method in `METHODS`."""
    find: Find = resolve_name(METHODS[name])
    return find
