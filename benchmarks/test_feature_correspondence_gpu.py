"""How fast FCA is on a GPU: `pytest benchmarks -m gpu --benchmark-only`; read the ratios within a group, in brackets.

Features are (C, H, W) with half of the values zero, as after a ReLU. Each first run, which compiles, is not timed.
"""

import runpy
from pathlib import Path

import pytest
import torch
import torchvision

from firstsight.detectors.patch_statistics import fca, sample_weighted_wasserstein

on_cpu = runpy.run_path(str(Path(__file__).with_name("test_patch_statistics.py")))
features_of, sorting_fca = on_cpu["features_of"], on_cpu["sorting_fca"]

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
FINAL_LAYER = "GPU, C = 512, H = W = 128 (layer2 of a 1024 x 1024 image), T = 9"


def run(benchmark, function, *arguments, rounds=20, **settings):
    """Time the function until the GPU has done what it asks for, and say how much memory that takes."""

    def synchronised():
        with torch.inference_mode():
            result = function(*arguments, **settings)
        torch.cuda.synchronize()
        return result

    synchronised()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    synchronised()
    benchmark.extra_info["extra peak memory, MB"] = (torch.cuda.max_memory_allocated() - before) / 2**20
    benchmark.extra_info["GPU"] = torch.cuda.get_device_name()
    return benchmark.pedantic(synchronised, rounds=rounds)


@pytest.mark.benchmark(group=FINAL_LAYER)
def test_fca(benchmark):
    run(benchmark, fca, features_of(512, 128, 128).cuda())


@pytest.mark.benchmark(group=FINAL_LAYER)
def test_plain_torch_with_a_sort(benchmark):
    features = features_of(512, 128, 128).cuda()

    def on_gpu():
        # What it makes without naming a device is made on the GPU, too.
        with torch.device("cuda"):
            return sorting_fca(features)

    found = run(benchmark, on_gpu, rounds=3)
    # Only the ties of zeros, which the sort breaks by position, tell the two apart.
    torch.testing.assert_close(found, fca(features), rtol=0.05, atol=0)


@pytest.mark.benchmark(group=FINAL_LAYER)
def test_the_network_to_layer2(benchmark):
    network = torchvision.models.wide_resnet50_2(weights=None).eval()
    trunk = torch.nn.Sequential(
        network.conv1, network.bn1, network.relu, network.maxpool, network.layer1, network.layer2
    )
    run(benchmark, trunk.cuda(), torch.rand(1, 3, 1024, 1024, device="cuda"))


@pytest.mark.benchmark(group="GPU, statistics, C = 512, H = W = 128, T = 9")
@pytest.mark.parametrize("settings", [{}, {"reference": "random"}], ids=["median", "10 random references"])
@pytest.mark.parametrize("function", [fca, sample_weighted_wasserstein])
def test_statistics(benchmark, function, settings):
    run(benchmark, function, features_of(512, 128, 128).cuda(), rounds=5, **settings)


@pytest.mark.benchmark(group="GPU, cells, C = 64, T = 9")
@pytest.mark.parametrize("size", [64, 128, 256, 512])
def test_growth_with_cells(benchmark, size):
    run(benchmark, fca, features_of(64, size, size).cuda(), rounds=5)


@pytest.mark.benchmark(group="GPU, patch size, C = 64, H = W = 128")
@pytest.mark.parametrize("patch_size", [3, 5, 7, 9, 17, 25])
def test_growth_with_patch_size(benchmark, patch_size):
    run(benchmark, fca, features_of(64, 128, 128).cuda(), patch_size=patch_size, rounds=5)
