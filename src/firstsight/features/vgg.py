"""The convolutional trunk of torchvision's VGG19, read at any position, with reflecting or zero borders."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torchvision import models

from firstsight.features.state_dicts import fill
from firstsight.features.torchvision_trunk import make_trunk, normalise_images
from firstsight.features.trunk import prepare_trunk

__all__ = ["build", "make_trunk", "normalise_images"]


def build(
    name: str, layers: tuple[str, ...], *, border: str, state_dict: Mapping[str, Tensor], device: torch.device
) -> Callable[[Tensor], dict[str, Tensor]]:
    """VGG19's trunk (Simonyan and Zisserman 2014), cut after the deepest requested layer (see ``extractor.Builder``).

    A layer is named as torchvision numbers it: ``features.0`` is the first convolution before its ReLU, ``features.1``
    after it, ``features.4`` the first max-pooling. With ``border="reflect"`` every convolution reflects its input at
    the border; the poolings are not padded and drop a last odd row or column, as in torchvision.

    Args:
        name: ``vgg19``.
        layers: ``features.0`` to ``features.36``.
        border: ``reflect`` or ``paper`` (zero padding).
        state_dict: tensors by torchvision's names, at least up to the deepest of ``layers``.
        device: where the network computes.

    Raises:
        FirstsightError: a state dict that does not fit (see ``state_dicts.fill``).
    """
    # On the meta device tensors have no data, so the layers cut off and the random initialisation cost nothing.
    with torch.device("meta"):
        trunk = models.vgg19(weights=None)
    all_keys = trunk.state_dict().keys()
    positions = [int(layer.rpartition(".")[2]) for layer in layers]
    trunk.features = trunk.features[: max(positions) + 1]
    del trunk.avgpool, trunk.classifier
    deeper = all_keys - trunk.state_dict().keys()
    needed = {key: value for key, value in state_dict.items() if key not in deeper}
    fill(trunk, needed, f"{name} to {layers[-1]}")
    prepare_trunk(trunk, border=border, device=device)

    def network(images: Tensor) -> dict[str, Tensor]:
        maps = normalise_images(images)
        features = {}
        for position, module in enumerate(trunk.features):
            maps = module(maps)
            if position in positions:
                # Copied, since the ReLU that follows in torchvision works in place.
                features[f"features.{position}"] = maps.clone(memory_format=torch.contiguous_format)
        return features

    return network
