"""What the trunks from torchvision have in common."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from firstsight.features.state_dicts import fill

# Mean and standard deviation of ImageNet's RGB values, by which torchvision normalised all its training images.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def make_trunk(name: str, layer: str, state_dict: Mapping[str, Tensor]) -> nn.Module:
    """One of torchvision's networks up to a layer, filled, for tuning: see ``sbm_training.MakeTrunk``."""
    # The meta device holds shapes only: what is cut off, and the random initialisation, costs nothing.
    with torch.device("meta"):
        trunk = create_feature_extractor(models.get_model(name, weights=None).eval(), [layer])
    fill(trunk, {key: state_dict[key] for key in trunk.state_dict() if key in state_dict}, f"{name} to {layer}")
    return trunk


def normalise_images(images: Tensor) -> Tensor:
    """Normalise images (B, 3, H, W), RGB in [0, 1], as in the trunks' training; channels are last in memory."""
    mean = torch.tensor(IMAGENET_MEAN, device=images.device)[:, None, None]
    std = torch.tensor(IMAGENET_STD, device=images.device)[:, None, None]
    return ((images - mean) / std).to(memory_format=torch.channels_last)
