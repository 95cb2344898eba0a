"""Which network a preset runs with: the paper's, or what there is instead."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firstsight.errors import FirstsightError
from firstsight.features.downloads import why_unavailable
from firstsight.features.registry import EXTRACTORS

NAMES = {
    "wide_resnet50_2": "Wide-ResNet50-2",
    "vgg19": "VGG19",
    "resnet18": "ResNet18",
    "efficientnet_lite0": "EfficientNet-Lite0",
}
"""Names of networks, for people."""

INSTEAD = {"wide_resnet50_2": ("resnet18", "efficientnet_lite0"), "vgg19": ()}
"""What stands in for a network whose weights are not there. Nothing has features of the size that VGG19's first
layers have."""

_STAGES = {"layer1": "stage1", "layer2": "stage2", "layer3": "stage3"}
"""The layers of EfficientNet-Lite0 in place of those of a ResNet, by their strides."""


@dataclass(frozen=True)
class Trunk:
    """A network that is there.

    features: the keys of ``features`` in a config that name it and its weights.
    differs: what it is instead of; empty for the paper's own.
    layers: its layers in place of the paper's, where they have other names.
    """

    features: Mapping[str, Any]
    differs: str = ""
    layers: Mapping[str, str] = field(default_factory=dict)


def find_trunk(extractor: str, weights: Path | None) -> Trunk | None:
    """The network that a preset asks for, or the first of `INSTEAD` that is there; None if there is none.

    Args:
        extractor: a key of `firstsight.features.registry.EXTRACTORS`.
        weights: folder of state dicts with torchvision's names of layers, files that begin with the network's name
            (``wide_resnet50_2-95faca4d.pth``); None: only what is installed or to be downloaded.
    """
    if not EXTRACTORS[extractor].needs_weights:
        return Trunk({"extractor": extractor})
    for name in (extractor, *INSTEAD[extractor]):
        file = weights_in(weights, name)
        if file is None and why_unavailable(name) is not None:
            continue
        features = {"extractor": name} | ({} if file is None else {"weights": str(file)})
        differs = "" if name == extractor else f"{NAMES[name]} for {NAMES[extractor]}, whose weights are missing"
        return Trunk(features, differs, _STAGES if name == "efficientnet_lite0" else {})
    return None


def weights_in(folder: Path | None, extractor: str) -> Path | None:
    """The first file in a folder that is called as an extractor; None if there is none.

    Raises:
        FirstsightError: there is no such folder.
    """
    if folder is None:
        return None
    if not folder.is_dir():
        raise FirstsightError(f"--weights: no such folder: {folder}")
    return next((path for path in sorted(folder.glob(f"{extractor}*.pt*")) if path.is_file()), None)
