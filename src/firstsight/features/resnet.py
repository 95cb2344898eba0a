"""ResNet trunks from torchvision, cut after the deepest requested layer, with reflecting or zero borders."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torchvision import models

from firstsight.features.state_dicts import fill
from firstsight.features.torchvision_trunk import make_trunk, normalise_images
from firstsight.features.trunk import prepare_trunk

__all__ = ["build", "make_trunk", "normalise_images"]

STAGES = ("layer1", "layer2", "layer3", "layer4")
ARCHITECTURES: dict[str, Callable[..., models.ResNet]] = {
    "resnet18": models.resnet18,
    "wide_resnet50_2": models.wide_resnet50_2,
}


def build(
    name: str, layers: tuple[str, ...], *, border: str, state_dict: Mapping[str, Tensor], device: torch.device
) -> Callable[[Tensor], dict[str, Tensor]]:
    """A ResNet's trunk (He et al. 2016; wide: Zagoruyko and Komodakis 2016), see ``extractor.Builder``.

    With ``border="reflect"`` every padded convolution reflects its input at the border. The one padded max-pooling
    needs no change: the values that it would see by reflection are already in its window.

    Args:
        name: a key of ``ARCHITECTURES``.
        layers: any of ``STAGES``.
        border: ``reflect`` or ``paper`` (zero padding).
        state_dict: tensors by torchvision's names, at least up to the deepest of ``layers``.
        device: where the network computes.

    Raises:
        FirstsightError: a state dict that does not fit (see ``state_dicts.fill``).
    """
    deepest = max(STAGES.index(layer) for layer in layers)
    stages = STAGES[: deepest + 1]
    # On the meta device tensors have no data, so the layers cut off and the random initialisation cost nothing.
    with torch.device("meta"):
        trunk = ARCHITECTURES[name](weights=None)
    for child in (*STAGES[deepest + 1 :], "avgpool", "fc"):
        delattr(trunk, child)
    fill(trunk, state_dict, f"{name} to {stages[-1]}")
    prepare_trunk(trunk, border=border, device=device)

    def network(images: Tensor) -> dict[str, Tensor]:
        maps = trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(normalise_images(images)))))
        features = {}
        for stage in stages:
            maps = getattr(trunk, stage)(maps)
            if stage in layers:
                features[stage] = maps.contiguous()
        return features

    return network
