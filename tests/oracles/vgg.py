"""torchvision's own VGG19, read through hooks, for comparison with ``firstsight.features.vgg``."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms.functional import normalize

from oracles.resnet import reflecting


def trunk() -> nn.Sequential:
    """The 37 positions of the network's trunk, without weights."""
    with torch.device("meta"):
        return models.vgg19(weights=None).features


def random_state_dict(seed: int, last: int = 36) -> dict[str, Tensor]:
    """Random weights by torchvision's names, up to a position, such that the features neither die out nor blow up."""
    generator = torch.Generator().manual_seed(seed)
    state_dict = {}
    for key, value in trunk().state_dict().items():
        if int(key.partition(".")[0]) <= last:
            spread = (2 / value.shape[1:].numel()) ** 0.5 if value.ndim == 4 else 0.1
            state_dict[f"features.{key}"] = torch.randn(value.shape, generator=generator) * spread
    return state_dict


def hooked_features(state_dict: Mapping[str, Tensor], images: Tensor, border: str) -> dict[str, Tensor]:
    """Outputs of every position that the weights reach, by forward hooks; images in [0, 1]."""
    network = nn.Module()
    network.features = nn.Sequential()
    for position, module in enumerate(trunk()):
        if isinstance(module, nn.Conv2d) and f"features.{position}.weight" not in state_dict:
            break
        network.features.append(module)
    network.load_state_dict(state_dict, assign=True)
    if border == "reflect":
        reflecting(network)
    network.eval().to(memory_format=torch.channels_last)
    features = {}
    for position, module in enumerate(network.features):

        def keep(module: nn.Module, inputs: object, output: Tensor, position: int = position) -> None:
            features[f"features.{position}"] = output.clone()

        module.register_forward_hook(keep)
    with torch.inference_mode():
        normal = normalize(images, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        network.features(normal.to(memory_format=torch.channels_last))
    return features


def geometry(position: int) -> tuple[int, float]:
    """Stride and offset after a position, kernel by kernel (as in receptive field arithmetic)."""
    stride, centre = 1, 0.0
    for module in trunk()[: position + 1]:
        if isinstance(module, nn.Conv2d):
            kernel, step, padding = module.kernel_size[0], module.stride[0], int(module.padding[0])
        elif isinstance(module, nn.MaxPool2d):
            kernel, step, padding = (int(str(size)) for size in (module.kernel_size, module.stride, module.padding))
        else:
            continue
        centre += ((kernel - 1) / 2 - padding) * stride
        stride *= step
    return stride, centre
