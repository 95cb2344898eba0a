"""How fast the patch statistics are: `pytest benchmarks --benchmark-only`; read the ratios within a group, in brackets.

Features are (C, H, W) with half of the values zero, as after a ReLU, unless a test says otherwise.
"""

import subprocess
import sys

import pytest
import torch
import torchvision
from torch.nn import functional

from firstsight.detectors.patch_statistics import fca, median_reference

LAYER2 = "C = 512, H = W = 128 (layer2 of a 1024 x 1024 image), T = 9"


def features_of(channels, height, width):
    values = torch.relu(torch.randn(channels, height, width, generator=torch.Generator().manual_seed(0)))
    return values / values.amax((1, 2), keepdim=True)


def sorting_fca(features, patch_size=9, channels_at_once=16):
    """FCA in plain torch: unfold the windows, sort each, scatter the costs back. Ties as the sort leaves them."""
    half = patch_size // 2
    reference = median_reference(features, patch_size)
    _, height, width = features.shape
    padded = functional.pad(features[None], [half] * 4, mode="reflect")[0]
    costs = torch.zeros(height, width, patch_size**2)
    for start in range(0, len(features), channels_at_once):
        block = slice(start, start + channels_at_once)
        windows = padded[block].unfold(1, patch_size, 1).unfold(2, patch_size, 1).flatten(3)
        ordered, order = windows.sort(dim=3)
        matched = (ordered - reference[block, None, None]).abs_()
        costs += torch.empty_like(matched).scatter_(3, order, matched).sum(0)
    costs = costs.view(height * width, 1, patch_size, patch_size) / len(features)
    offsets = torch.arange(5.0) - 2
    kernel = torch.exp(-(offsets**2) / 2)
    kernel /= kernel.sum()
    costs = functional.conv2d(functional.pad(costs, [2] * 4, mode="reflect"), kernel.outer(kernel)[None, None])
    offsets = torch.arange(float(patch_size)) - half
    weights = torch.exp(-(offsets**2) / 18)
    weights = weights.outer(weights)
    size = (height + 2 * half, width + 2 * half)
    total = functional.fold((costs[:, 0] * weights).flatten(1).T[None], size, patch_size)
    coverage = functional.fold(weights.flatten()[None, :, None].expand(1, -1, height * width), size, patch_size)
    return (total / coverage)[0, 0, half:-half, half:-half]


def run(benchmark, function, *arguments, rounds=5, **settings):
    """Time the function, once run before so that nothing is compiled within the timing."""
    return benchmark.pedantic(function, arguments, settings, rounds=rounds, warmup_rounds=1)


@pytest.mark.benchmark(group=LAYER2)
def test_fca(benchmark):
    features = features_of(512, 128, 128)
    run(benchmark, fca, features)
    benchmark.extra_info["extra peak memory, MB"] = extra_peak_memory(512, 128, 128)


@pytest.mark.benchmark(group=LAYER2)
def test_plain_torch_with_a_sort(benchmark):
    features = features_of(512, 128, 128)
    found = benchmark.pedantic(sorting_fca, (features,), rounds=1)
    # Only the ties of zeros, which the sort breaks by position, tell the two apart.
    torch.testing.assert_close(found, fca(features), rtol=0.05, atol=0)


@pytest.mark.benchmark(group=LAYER2)
def test_the_network_to_layer2(benchmark):
    network = torchvision.models.wide_resnet50_2(weights=None).eval()
    trunk = torch.nn.Sequential(
        network.conv1, network.bn1, network.relu, network.maxpool, network.layer1, network.layer2
    )
    with torch.inference_mode():
        run(benchmark, trunk, torch.rand(1, 3, 1024, 1024), rounds=3)


@pytest.mark.benchmark(group="ties, C = 128, H = W = 128, T = 9")
@pytest.mark.parametrize("values", ["none", "half zeros", "256 levels", "all equal"])
def test_ties(benchmark, values):
    features = features_of(128, 128, 128)
    if values == "none":
        features = torch.rand(128, 128, 128, generator=torch.Generator().manual_seed(0))
    elif values == "256 levels":
        features = torch.rand(128, 128, 128, generator=torch.Generator().manual_seed(0)).mul(255).round()
    elif values == "all equal":
        features = torch.full((128, 128, 128), 0.5)
    run(benchmark, fca, features)


@pytest.mark.benchmark(group="cells, C = 64, T = 9")
@pytest.mark.parametrize("size", [64, 128, 256, 512])
def test_growth_with_cells(benchmark, size):
    run(benchmark, fca, features_of(64, size, size), rounds=3)


@pytest.mark.benchmark(group="channels, H = W = 128, T = 9")
@pytest.mark.parametrize("channels", [64, 128, 256, 512])
def test_growth_with_channels(benchmark, channels):
    run(benchmark, fca, features_of(channels, 128, 128), rounds=3)


@pytest.mark.benchmark(group="patch size, C = 64, H = W = 128")
@pytest.mark.parametrize("patch_size", [3, 5, 9, 17, 25])
def test_growth_with_patch_size(benchmark, patch_size):
    run(benchmark, fca, features_of(64, 128, 128), patch_size=patch_size, rounds=3)


# One layer of a large network, then the layers of the default network, with fewer channels: costs grow in proportion.
@pytest.mark.parametrize("patch_size", [9, 15, 17, 25])
@pytest.mark.parametrize("shape", [(64, 128, 128), (48, 96, 96), (60, 48, 48)], ids=str)
@pytest.mark.parametrize("values", ["half zeros", "half precision"])
def test_large_windows(benchmark, values, shape, patch_size):
    """The ratios to T = 9: `pytest benchmarks --benchmark-only -k large_windows`; T^2 grows 2.8, 3.6 and 7.7 times."""
    benchmark.group = f"{values}, (C, H, W) = {shape}, ratios to T = 9"
    features = features_of(*shape)
    if values == "half precision":
        features = torch.randn(shape, generator=torch.Generator().manual_seed(0)).half().float()
    run(benchmark, fca, features, patch_size=patch_size)


def extra_peak_memory(*shape):
    """MB by which `fca` needs more memory, in a fresh process, than that holds with the features made (on Linux)."""
    program = """
import re, sys, torch
from pathlib import Path
from firstsight.detectors.patch_statistics import fca

def memory(field):
    return int(re.search(field + r":\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

features = torch.randn(*map(int, sys.argv[1:])).relu_()
fca(features[:2])
Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of compiling
before = memory("VmRSS")
fca(features)
print(memory("VmHWM") - before)
"""
    arguments = [sys.executable, "-c", program, *map(str, shape)]
    return float(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)
