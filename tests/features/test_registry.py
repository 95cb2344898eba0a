import importlib
import inspect
import subprocess
import sys

import pytest
from torchvision import models

from firstsight.errors import FirstsightError
from firstsight.features.extractor import Builder
from firstsight.features.registry import EXTRACTORS, find_extractor, find_layers

TORCHVISION_WEIGHTS = {
    "resnet18": models.ResNet18_Weights,
    "wide_resnet50_2": models.Wide_ResNet50_2_Weights,
    "vgg19": models.VGG19_Weights,
}


@pytest.mark.parametrize("name", EXTRACTORS)
def test_every_entry_is_consistent(name: str) -> None:
    spec = EXTRACTORS[name]
    assert spec.default_layers
    assert set(spec.default_layers) <= set(spec.layers)
    assert list(spec.layers.values()) == sorted(spec.layers.values(), key=lambda layer: layer.stride)
    assert spec.version >= 1
    build = importlib.import_module(spec.module).build
    assert list(inspect.signature(build).parameters) == list(inspect.signature(Builder.__call__).parameters)[1:]


@pytest.mark.parametrize("name", TORCHVISION_WEIGHTS)
def test_names_and_files_of_weights_are_torchvisions(name: str) -> None:
    assert EXTRACTORS[name].weights == {
        weights.name: weights.url.rpartition("/")[2] for weights in TORCHVISION_WEIGHTS[name]
    }


@pytest.mark.parametrize("name", EXTRACTORS)
def test_only_networks_need_weights(name: str) -> None:
    assert EXTRACTORS[name].needs_weights == (name in TORCHVISION_WEIGHTS or name == "efficientnet_lite0")


def test_layers_come_from_shallow_to_deep_and_once() -> None:
    assert find_layers("resnet18", ["layer3", "layer1", "layer3"]) == ("layer1", "layer3")
    assert find_layers("resnet18", "layer3") == ("layer3",)
    assert find_layers("resnet18") == ("layer1", "layer2")
    assert find_layers("laws") == ("energy",)
    assert find_layers("vgg19", ["features.10", "features.9"]) == ("features.9", "features.10")


def test_unknown_names_list_the_choices() -> None:
    with pytest.raises(FirstsightError, match="unknown extractor 'resnet19': choose one of efficientnet_lite0, colors"):
        find_extractor("resnet19")
    with pytest.raises(FirstsightError, match="unknown layer 'layer5' of extractor resnet18: choose from layer1"):
        find_layers("resnet18", ["layer2", "layer5"])
    with pytest.raises(FirstsightError, match="no layer of extractor resnet18"):
        find_layers("resnet18", [])


def test_planning_and_reading_maps_do_not_import_torch() -> None:
    code = """
import sys
import firstsight.features, firstsight.storage.store, firstsight.plan.fingerprints
firstsight.features.weights_fingerprint("resnet18", "IMAGENET1K_V1")
assert "torch" not in sys.modules, "torch was imported"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
