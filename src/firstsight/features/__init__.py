"""From images to feature maps: extractors (one file per extractor) and their weights.

Importing this package does not import torch, so that a process that only plans can read the registry cheaply; the
first use of ``load_extractor`` or ``Extractor`` imports it.
"""

from typing import TYPE_CHECKING

from firstsight.features.registry import EXTRACTORS, ExtractorSpec, Layer
from firstsight.features.weights import weights_fingerprint

if TYPE_CHECKING:
    from firstsight.features.extractor import Extractor, load_extractor

__all__ = ["EXTRACTORS", "Extractor", "ExtractorSpec", "Layer", "load_extractor", "weights_fingerprint"]


def __getattr__(name: str) -> object:
    if name in ("Extractor", "load_extractor"):
        from firstsight.features import extractor  # noqa: PLC0415

        return getattr(extractor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
