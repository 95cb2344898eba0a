"""What extractors cost: `pytest benchmarks/test_extractors.py --benchmark-only`; the best of the rounds counts.

Each computes its default layers of one image, then `fca` with its defaults makes the map. Weights that are not
installed are random: they take as long.
"""

import pytest
import torch
from torchvision import models

from firstsight.detectors.registry import DETECTORS
from firstsight.features import load_extractor
from firstsight.features.tiling import extract_tiled
from firstsight.storage.geometry import Geometry

RANDOM = {"resnet18": models.resnet18, "wide_resnet50_2": models.wide_resnet50_2}
SIDES = (384, 1024)
CASES = [
    pytest.param(name, side, marks=pytest.mark.benchmark(group=f"{side} x {side}"))
    for side in SIDES
    for name in ("efficientnet_lite0", "laws", *RANDOM)
]


@pytest.fixture(scope="module")
def extractors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    loaded = {name: load_extractor(name) for name in ("efficientnet_lite0", "laws")}
    for name, network in RANDOM.items():
        torch.save(network(weights=None).state_dict(), folder / name)
        loaded[name] = load_extractor(name, weights=folder / name)
    return loaded


def image_of(side):
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("name", "side"), CASES)
def test_features(benchmark, extractors, name, side):
    benchmark.pedantic(extract_tiled, (extractors[name], image_of(side)), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize(("name", "side"), CASES)
def test_fca(benchmark, extractors, name, side):
    extractor, detector = extractors[name], DETECTORS["fca"]
    features = {layer: values[0].half() for layer, values in extract_tiled(extractor, image_of(side)).items()}
    places = {
        layer: Geometry(side, side, side, side, extractor.strides[layer], extractor.offsets[layer])
        for layer in features
    }
    benchmark.pedantic(detector.detect, (features, places, detector.settings()), rounds=5, warmup_rounds=1)
