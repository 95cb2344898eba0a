"""torchvision's own ResNets, read through hooks, for comparison with ``firstsight.features.resnet``."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms.functional import normalize


def random_state_dict(name: str, seed: int, last: str = "layer4") -> dict[str, Tensor]:
    """Random weights by torchvision's names, up to a layer, such that the features neither die out nor blow up."""
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in getattr(models, name)(weights=None).state_dict().items()}
    generator = torch.Generator().manual_seed(seed)
    state_dict = {}
    for key, shape in shapes.items():
        child = key.partition(".")[0]
        if child == "fc" or (child.startswith("layer") and child > last):
            continue
        if key.endswith("num_batches_tracked"):
            state_dict[key] = torch.tensor(7)
        elif len(shape) == 4:
            state_dict[key] = torch.randn(shape, generator=generator) * (2 / shape[1:].numel()) ** 0.5
        elif key.endswith(("running_var", "weight")):
            state_dict[key] = 0.5 + torch.rand(shape, generator=generator)
        else:
            state_dict[key] = 0.1 * torch.randn(shape, generator=generator)
    return state_dict


def reflecting(network: nn.Module) -> nn.Module:
    """Put a padding layer of its own before every padded convolution, and take the convolution's padding away."""
    for child_name, child in list(network.named_children()):
        if isinstance(child, nn.Conv2d) and child.padding != (0, 0):
            padding = nn.ReflectionPad2d(int(child.padding[0]))
            child.padding = (0, 0)
            setattr(network, child_name, nn.Sequential(padding, child))
        else:
            reflecting(child)
    return network


def hooked_features(name: str, state_dict: Mapping[str, Tensor], images: Tensor, border: str) -> dict[str, Tensor]:
    """Outputs of the four layers of the whole network, by forward hooks; images in [0, 1]."""
    network = getattr(models, name)(weights=None)
    network.load_state_dict(state_dict, strict=False)
    if border == "reflect":
        reflecting(network)
    network.eval().to(memory_format=torch.channels_last)
    features = {}
    for layer in ("layer1", "layer2", "layer3", "layer4"):

        def keep(module: nn.Module, inputs: object, output: Tensor, layer: str = layer) -> None:
            features[layer] = output.clone()

        getattr(network, layer).register_forward_hook(keep)
    with torch.inference_mode():
        normal = normalize(images, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        network(normal.to(memory_format=torch.channels_last))
    return features
