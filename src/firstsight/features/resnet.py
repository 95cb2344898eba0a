"""ResNet trunks from torchvision, cut after the deepest layer asked for, with reflecting or zero borders."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torchvision import models

from firstsight.features.state_dicts import fill

STAGES = ("layer1", "layer2", "layer3", "layer4")
ARCHITECTURES: dict[str, Callable[..., models.ResNet]] = {
    "resnet18": models.resnet18,
    "wide_resnet50_2": models.wide_resnet50_2,
}

# Mean and standard deviation of ImageNet's RGB values, with which torchvision trained every network of its own.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def build(
    name: str, layers: tuple[str, ...], *, border: str, state_dict: Mapping[str, Tensor], device: torch.device
) -> Callable[[Tensor], dict[str, Tensor]]:
    """A ResNet's trunk (He et al. 2016; wide: Zagoruyko and Komodakis 2016), see ``extractor.Builder``.

    With ``border="reflect"`` every padded convolution reflects its input at the border. The one padded max-pooling
    needs no change: the values it would see reflected lie inside its window already.

    Args:
        name: a key of ``ARCHITECTURES``.
        layers: of ``STAGES``.
        border: ``reflect`` or ``paper`` (zero padding).
        state_dict: by torchvision's names, at least up to the deepest of ``layers``.
        device: where the network is put.

    Raises:
        FirstsightError: a state dict that does not fit (see ``state_dicts.fill``).
    """
    deepest = max(STAGES.index(layer) for layer in layers)
    stages = STAGES[: deepest + 1]
    # The meta device holds shapes only: what is cut off, and the random initialisation, costs nothing.
    with torch.device("meta"):
        trunk = ARCHITECTURES[name](weights=None)
    for child in (*STAGES[deepest + 1 :], "avgpool", "fc"):
        delattr(trunk, child)
    fill(trunk, state_dict, f"{name} to {stages[-1]}")
    if border == "reflect":
        for module in trunk.modules():
            if isinstance(module, nn.Conv2d) and module.padding != (0, 0):
                module.padding_mode = "reflect"
    # With the channels last in memory a 1024 x 1024 image takes two thirds of the time on a CPU.
    trunk.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
    mean = torch.tensor(IMAGENET_MEAN, device=device)[:, None, None]
    std = torch.tensor(IMAGENET_STD, device=device)[:, None, None]

    def network(images: Tensor) -> dict[str, Tensor]:
        maps = ((images - mean) / std).to(memory_format=torch.channels_last)
        maps = trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(maps))))
        features = {}
        for stage in stages:
            maps = getattr(trunk, stage)(maps)
            if stage in layers:
                features[stage] = maps.contiguous()
        return features

    return network
