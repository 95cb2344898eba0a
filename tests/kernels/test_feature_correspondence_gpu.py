"""The GPU kernel against the CPU kernel: in Triton's interpreter, which needs no GPU, and on one where there is one.

The interpreter shows that the numbers are right, and the compiler that a GPU can be given the kernels; only the tests
marked `gpu` run there what was compiled.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from firstsight.detectors import patch_statistics
from firstsight.detectors.patch_settings import Reference
from firstsight.detectors.windows import centre_weights, spread_weights
from firstsight.kernels.feature_correspondence import feature_correspondence as on_cpu

triton = pytest.importorskip("triton")
module = pytest.importorskip("firstsight.kernels.feature_correspondence_gpu")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")

# Shape of the features, patch size, number of references, values, and settings of the module that small maps need to
# go through all of its ways.
CASES = {
    "two programs for the cells": ((1, 11, 13), 5, 1, "half zeros", {}),
    "a patch size that the rows at once do not divide": ((1, 8, 9), 7, 1, "few levels", {}),
    "a window of one cell": ((2, 3, 5), 1, 1, "signed", {}),
    "exactly one window": ((1, 3, 3), 3, 1, "signed", {}),
    "a thin map": ((2, 3, 31), 3, 1, "half zeros", {}),
    "all equal": ((2, 6, 7), 3, 1, "constant", {}),
    "all equal, several references": ((2, 6, 7), 3, 5, "constant", {}),
    "channels in uneven groups": ((5, 6, 7), 3, 1, "half zeros", {"PROGRAMS": 3}),
    "all channels in one program": ((3, 6, 7), 3, 1, "few levels", {"PROGRAMS": 1}),
    "several references": ((2, 9, 12), 5, 4, "half zeros", {}),
    "tables of some channels at a time": ((5, 6, 7), 3, 3, "few levels", {"TABLE_VALUES": 900}),
    "far from zero": ((2, 9, 12), 3, 1, "far from zero", {}),
    "far from zero, several references": ((2, 9, 12), 3, 6, "far from zero", {}),
    "of two scales": ((2, 9, 12), 5, 1, "two scales", {}),
    "two rows of windows at once": ((1, 11, 12), 11, 1, "few levels", {"CELLS": 256}),
}
LARGEST = 25
REFERENCES = ["median", "random", "knn", "all"]
INTERPRETED = """
import pickle, sys, torch
from firstsight.detectors import patch_statistics
from firstsight.kernels import feature_correspondence_gpu as module
cases, features, names, largest = pickle.load(sys.stdin.buffer)
defaults = {name: getattr(module, name) for name in ("CELLS", "PROGRAMS", "TABLE_VALUES")}
results = {}
for name, (arrays, settings) in cases.items():
    vars(module).update({**defaults, **settings})
    results[name] = module.feature_correspondence(*map(torch.from_numpy, arrays)).numpy()
vars(module).update(defaults)
# All vertical offsets of the largest windows would take a minute.
class FirstOffset:
    def __getitem__(self, grid):
        return kernel[grid[0], 1, grid[2]]
kernel, module._correspondence_kernel, module.CELLS = module._correspondence_kernel, FirstOffset(), 1024
values, references, columns = map(torch.from_numpy, largest)
origins, centred = module._centred(references)
lines = module._spread_costs(values, references, module._sums(centred[:, :, 0]), origins, columns)
results["first offset"] = lines[0].numpy()
module._correspondence_kernel = kernel
vars(module).update(defaults)
# As if the features were on a GPU.
patch_statistics._match = patch_statistics._match_on_gpu
for reference in names:
    found = patch_statistics.fca(features, patch_size=3, reference=reference, reference_count=5)
    results[reference] = found.numpy()
pickle.dump(results, sys.stdout.buffer)
"""


def values_like(kind: str, *shape: int, seed: int = 0) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=shape).astype(np.float32)
    if kind == "half zeros":
        return np.maximum(values, 0)
    if kind == "few levels":
        return np.round(values * 2) / np.float32(2)
    if kind == "constant":
        return np.full_like(values, 0.7)
    if kind == "far from zero":
        return np.float32(1000) + np.round(values * 8) / np.float32(8)
    if kind == "two scales":
        return np.where(generator.random(shape) < 0.5, 100 + values, np.abs(values) * np.float32(1e-7))
    return values


def largest_windows(levels: str) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Features, one reference and column weights of a map that one window of 25 x 25 cells fills."""
    references = np.sort(values_like(levels, 1, LARGEST**2, 1, seed=1), axis=1)
    return values_like(levels, 1, LARGEST, LARGEST), references, centre_weights(LARGEST, LARGEST, 6.0)


def arguments(name: str) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Features, references and both weights; a case's weights are those of FCA or, in every third case, of SWW."""
    (channels, height, width), patch_size, count, kind, _ = CASES[name]
    references = np.sort(np.sort(values_like(kind, channels, patch_size**2, count, seed=1), axis=1), axis=2)
    if list(CASES).index(name) % 3 == 1:
        rows, columns = (centre_weights(size, patch_size, 6.0) for size in (height, width))
    else:
        rows, columns = (spread_weights(size, patch_size, 3.0, 1.0, renormalise=True) for size in (height, width))
    return values_like(kind, channels, height, width), references, rows, columns


@pytest.fixture(scope="module")
def interpreted() -> dict[str, NDArray[np.float32]]:
    """What Triton's interpreter computes, case by case, in a process that asked for it before it loaded Triton."""
    cases = {name: (arguments(name), CASES[name][-1]) for name in CASES}
    found = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        input=pickle.dumps((cases, values_like("half zeros", 2, 5, 6), REFERENCES, largest_windows("few levels"))),
        env={**os.environ, "TRITON_INTERPRET": "1"},
        check=True,
        stdout=subprocess.PIPE,
    )
    return pickle.loads(found.stdout)


@pytest.mark.parametrize("name", CASES)
def test_the_interpreted_kernel_equals_the_one_of_the_cpu(
    interpreted: dict[str, NDArray[np.float32]], name: str
) -> None:
    expected = on_cpu(*arguments(name), threads=1)
    assert interpreted[name].dtype == np.float32
    np.testing.assert_allclose(interpreted[name], expected, rtol=1e-5, atol=1e-6)


def test_the_interpreted_kernel_counts_in_the_largest_windows(interpreted: dict[str, NDArray[np.float32]]) -> None:
    """In those of one vertical offset: the others differ only by where their rows begin."""
    features, references, columns = largest_windows("few levels")
    margin = columns.shape[2] // 2
    rows = np.zeros_like(columns)
    # Above, the centres of these windows lie outside the map.
    rows[LARGEST // 2 :, 0, margin] = 1
    expected = on_cpu(features, references, rows, columns, threads=1)
    found = interpreted["first offset"][:, margin : margin + LARGEST]
    assert expected.max() > 0.01
    np.testing.assert_allclose(found[LARGEST // 2 :], expected[LARGEST // 2 :], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reference", REFERENCES)
def test_every_reference_comes_through_the_interpreted_kernel(
    interpreted: dict[str, NDArray[np.float32]], reference: Reference
) -> None:
    features = values_like("half zeros", 2, 5, 6)
    expected = patch_statistics.fca(features, patch_size=3, reference=reference, reference_count=5)
    np.testing.assert_allclose(interpreted[reference], expected.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize(("patch_size", "several"), [(1, False), (3, False), (3, True), (25, False)])
def test_the_kernel_compiles_for_a_gpu(patch_size: int, several: bool, capability: int) -> None:
    arrays = {"padded", "costs", "sums", "origins", "column_weights", "spread_costs"}
    rows = module._rows_at_once(patch_size)
    settings = {"SIZE": patch_size, "ROWS": rows, "SPREAD": 5, "SEVERAL": several, "CELLS": module.CELLS}
    assert machine_code(module._correspondence_kernel, arrays, settings, capability)


@pytest.mark.parametrize("capability", [80, 90])
def test_the_table_compiles_for_a_gpu(capability: int) -> None:
    arrays = {"values", "references", "sums", "origins", "table"}
    assert machine_code(module._cost_table_kernel, arrays, {"CELLS": module.CELLS}, capability)


def machine_code(kernel: Any, arrays: set[str], settings: dict[str, Any], capability: int) -> bytes:
    """A kernel compiled for the GPUs of a compute capability."""
    types = {name: "*fp32" if name in arrays else "i32" for name in kernel.arg_names}
    signature = {**types, **dict.fromkeys(settings, "constexpr")}
    source = triton.compiler.ASTSource(fn=kernel, signature=signature, constexprs=settings)
    target = triton.backends.compiler.GPUTarget("cuda", capability, 32)
    return triton.compile(source, target=target, options={"enable_fp_fusion": True}).asm["cubin"]


def on_gpu(features: NDArray[np.float32], *others: NDArray[np.float32]) -> NDArray[np.float32]:
    found = module.feature_correspondence(*(torch.from_numpy(array).cuda() for array in (features, *others)))
    assert found.is_cuda
    return found.cpu().numpy()


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("name", CASES)
def test_the_kernel_equals_the_one_of_the_cpu(name: str) -> None:
    expected = on_cpu(*arguments(name), threads=1)
    np.testing.assert_allclose(on_gpu(*arguments(name)), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("kind", ["half zeros", "few levels", "constant", "signed", "far from zero"])
@pytest.mark.parametrize("shape", [(7, 61, 43, 9), (65, 33, 130, 5), (3, 25, 70, 25), (2, 31, 29, 15), (5, 200, 11, 3)])
def test_larger_maps_equal_those_of_the_cpu(shape: tuple[int, ...], kind: str) -> None:
    *sizes, patch_size = shape
    features = torch.from_numpy(values_like(kind, *sizes))
    for function in (patch_statistics.fca, patch_statistics.sample_weighted_wasserstein):
        found = function(features.cuda(), patch_size=patch_size)
        torch.testing.assert_close(found.cpu(), function(features, patch_size=patch_size), rtol=1e-4, atol=1e-6)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("function", [patch_statistics.fca, patch_statistics.sample_weighted_wasserstein])
@pytest.mark.parametrize("reference", REFERENCES)
def test_all_references_equal_those_of_the_cpu(function: Callable[..., torch.Tensor], reference: str) -> None:
    features = torch.from_numpy(values_like("half zeros", 6, 23, 17))
    found = function(features.cuda(), patch_size=7, reference=reference)
    assert found.is_cuda
    expected = function(features, patch_size=7, reference=reference)
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("levels", [2, 3, 50])
def test_the_order_of_equal_cells_does_not_matter(levels: int) -> None:
    features = torch.randint(0, levels, (5, 40, 40), generator=torch.Generator().manual_seed(0)).float().cuda()
    found = patch_statistics.fca(features)
    torch.testing.assert_close(patch_statistics.fca(features.flip(1)).flip(0), found, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(patch_statistics.fca(features.transpose(1, 2)).T, found, rtol=1e-4, atol=1e-6)


@pytest.mark.gpu
@needs_gpu
def test_arrays_need_not_be_contiguous() -> None:
    given = arguments("several references")
    turned = [torch.from_numpy(array).cuda().transpose(0, -1).contiguous().transpose(0, -1) for array in given]
    found = module.feature_correspondence(*turned).cpu().numpy()
    np.testing.assert_allclose(found, on_cpu(*given, threads=1), rtol=1e-4, atol=1e-6)
