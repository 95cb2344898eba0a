"""Networks of timm with random weights in a file, for the tests: nothing is downloaded."""

from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import register_model
from timm.models.vision_transformer import VisionTransformer, _create_vision_transformer
from torch import nn


@register_model
def small_vit_patch14(pretrained: bool = False, **keywords: Any) -> VisionTransformer:
    """A transformer like DINOv2's, with patches of 14 pixels, but small."""
    size = {"img_size": 98, "patch_size": 14, "embed_dim": 48, "depth": 3, "num_heads": 3}
    return _create_vision_transformer("small_vit_patch14", pretrained=pretrained, **{**size, **keywords})


def random_weights(folder: Path, model: str) -> Path:
    """A file of random weights of a model of timm, ``<model>.pth``, in which no branch is switched off."""
    path = folder / f"{model}.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model(model)
        # timm begins to train with residual branches that add nothing.
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.0)
                assert module.running_mean is not None
                nn.init.uniform_(module.running_mean, -0.1, 0.1)
    torch.save(network.state_dict(), path)
    return path
