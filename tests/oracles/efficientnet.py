"""timm's own EfficientNet-Lite0 with the weights of the package, for ``firstsight.features.efficientnet``."""

import timm
import torch
from torch import Tensor

from firstsight.features.state_dicts import load_state_dict
from firstsight.features.weights import resolve_weights


def expanded_activations(images: Tensor) -> dict[str, Tensor]:
    """Of images (B, 3, H, W) in [0, 1] whose sides are multiples of 32, with TensorFlow's zero padding.

    The package names its tensors otherwise than timm; both list them in the order in which they are used.
    """
    values, _ = load_state_dict(resolve_weights("efficientnet_lite0"))
    tensors = [value for name, value in values.items() if not name.endswith("num_batches_tracked")]
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    names = [name for name in network.state_dict() if not name.endswith("num_batches_tracked")]
    named = dict(zip(names, tensors, strict=True))
    trunk = timm.create_model(
        "tf_efficientnet_lite0",
        pretrained=False,
        features_only=True,
        out_indices=(1, 2, 3),
        feature_location="expansion",
    ).eval()
    loaded = trunk.load_state_dict(named, strict=False)
    assert all(name.endswith("num_batches_tracked") for name in loaded.missing_keys)
    with torch.inference_mode():
        maps = trunk((images * 255 - 127) / 128)
    return dict(zip(("stage1", "stage2", "stage3"), maps, strict=True))
