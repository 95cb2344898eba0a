"""GRNR against Equations 3, 15, 19 and 20 solved slowly, and where its equations leave something open."""

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from firstsight.collections.images import read_image, read_mask
from firstsight.detectors import grnr as module
from firstsight.detectors.grnr import GrnrSettings, automatic_step, grnr, regression_errors, typical_cells
from firstsight.errors import FirstsightError
from firstsight.evaluation.localization import auroc
from firstsight.features import load_extractor
from firstsight.settings_model import read_settings
from firstsight.stages.features import resize_image
from firstsight.storage.geometry import Geometry, map_to_pixels
from oracles import grnr as oracle

LAYERS = {"layer2": 8, "layer3": 16}


def relu_features(*shape: int, seed: int = 0) -> torch.Tensor:
    """Many zeros, and neighbours that are alike, as in a texture."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(shape[0], 1, 1, generator=generator)
    return (common + torch.randn(shape, generator=generator)).relu()


def place(stride: int, offset: float = 0.0) -> Geometry:
    return Geometry(64, 48, 64, 48, stride, offset)


@pytest.mark.parametrize("shape", [(12, 7, 9), (40, 5, 6), (3, 6, 6), (1, 4, 5), (9, 1, 8), (9, 8, 1), (5, 2, 2)])
@pytest.mark.parametrize(("radius", "count", "eta"), [(1, 7, 5.0), (1, 40, 0.0), (1, 1, 0.3), (2, 40, 5.0)])
def test_errors_equal_the_least_squares_of_equation_15(
    shape: tuple[int, int, int], radius: int, count: int, eta: float
) -> None:
    features = relu_features(*shape)
    chosen: dict[str, Any] = {"neighbour_radius": radius, "global_cells": count, "eta": eta}
    expected = oracle.regression_errors(features, **chosen, ridge=module.RIDGE)
    found = regression_errors(features, GrnrSettings(**chosen))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3, atol=1e-6 * features.square().sum(0).mean().item())


def test_without_the_ridge_the_errors_are_those_of_equation_15(monkeypatch: pytest.MonkeyPatch) -> None:
    features = relu_features(60, 7, 9)
    expected = oracle.regression_errors(features, neighbour_radius=1, global_cells=40, eta=5.0)
    monkeypatch.setattr(module, "RIDGE", 0.0)
    np.testing.assert_allclose(regression_errors(features, GrnrSettings()).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(60, 7, 9), (60, 9, 3), (40, 1, 8), (40, 2, 2)])
@pytest.mark.parametrize("size", [3, 5])
def test_cells_that_are_means_of_windows_equal_the_oracle(shape: tuple[int, int, int], size: int) -> None:
    features = relu_features(*shape)
    means = oracle.window_means(features, size)
    expected = oracle.regression_errors(means, neighbour_radius=1, global_cells=7, eta=5.0, ridge=module.RIDGE)
    found = regression_errors(features, GrnrSettings(patch_size=size, global_cells=7))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3, atol=1e-6 * features.square().sum(0).mean().item())


@pytest.mark.parametrize("shape", [(12, 7, 9), (1, 1, 1), (2, 1, 8), (5, 13, 3)])
@pytest.mark.parametrize("count", [1, 10, 200])
def test_typical_cells_are_those_of_equation_3(shape: tuple[int, int, int], count: int) -> None:
    features = relu_features(*shape)
    found = typical_cells(features, count)
    np.testing.assert_array_equal(found.T.double().numpy(), oracle.typical_cells(features, count))


def test_equally_typical_cells_are_taken_in_raster_order() -> None:
    values = torch.tensor([3.0, -1, 1, 1, -1, -3, -1, 1])
    features = torch.stack([values, 0 * values]).view(2, 2, 4)
    np.testing.assert_array_equal(typical_cells(features, 3)[0], [-1, 1, 1])
    np.testing.assert_array_equal(typical_cells(features, 3).T, oracle.typical_cells(features, 3))


@pytest.mark.parametrize("offset", [0.0, 7.5])
@pytest.mark.parametrize("sigma", [4.0, 16.0, 0.0])
def test_the_map_is_the_smoothed_product_of_the_layers(offset: float, sigma: float) -> None:
    features = {"layer3": relu_features(20, 6, 4), "layer2": relu_features(12, 11, 8, seed=1)}
    places = {"layer2": place(8), "layer3": place(16, offset)}
    errors = {
        layer: oracle.regression_errors(values, neighbour_radius=1, global_cells=40, eta=5.0, ridge=module.RIDGE)
        for layer, values in features.items()
    }
    rows, columns = ((8 * np.arange(size) - offset) / 16 for size in (11, 8))
    expected = errors["layer2"] * oracle.read_at(errors["layer3"], rows, columns)
    if sigma:
        expected = oracle.smooth(expected, sigma / 8)
    found = grnr(features, places, GrnrSettings(sigma=sigma))
    assert found.dtype == torch.float32
    assert found.shape == (11, 8)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3)


@pytest.mark.parametrize("step", [1, 2, 3, 9])
@pytest.mark.parametrize("shape", [(12, 7, 9), (3, 1, 8)])
def test_neighbours_a_step_apart_equal_the_oracle(shape: tuple[int, int, int], step: int) -> None:
    features = relu_features(*shape)
    chosen: dict[str, Any] = {"neighbour_radius": 1, "global_cells": 7, "eta": 5.0}
    expected = oracle.regression_errors(features, **chosen, step=step, ridge=module.RIDGE)
    found = regression_errors(features, GrnrSettings(**chosen), step)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3, atol=1e-6 * features.square().sum(0).mean().item())


@pytest.mark.parametrize(
    ("window", "step"), [(None, 1), (20.0, 1), (40.0, 1), (57.0, 1), (80.0, 2), (113.0, 3), (200.0, 5)]
)
def test_the_step_grows_with_the_window(window: float | None, step: int) -> None:
    features = {"layer2": relu_features(12, 24, 24), "layer3": relu_features(20, 12, 12, seed=1)}
    places = {layer: Geometry(192, 192, 192, 192, stride, 0.0, window) for layer, stride in LAYERS.items()}
    expected = grnr(features, places, GrnrSettings(neighbour_step=step))
    assert torch.equal(grnr(features, places, GrnrSettings()), expected)


def test_a_given_step_does_not_depend_on_the_window() -> None:
    features = {"layer2": relu_features(12, 8, 6)}
    given = GrnrSettings(neighbour_step=1)
    expected = grnr(features, {"layer2": place(8)}, given)
    assert torch.equal(grnr(features, {"layer2": replace(place(8), window=80.0)}, given), expected)


@pytest.mark.parametrize(("side", "step"), [(8, 1), (24, 1), (40, 2), (56, 3)])
def test_on_a_small_map_the_step_leaves_neighbours(side: int, step: int) -> None:
    assert automatic_step(Geometry(side, 400, side, 400, 8, 0.0, 200.0)) == step


def test_blocks_of_rows_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    features = relu_features(12, 11, 7)
    settings = GrnrSettings(neighbour_radius=2)
    expected = regression_errors(features, settings)
    for products, systems in [(1, 2**22), (3 * 12 * 7, 2**22), (2**20, 4 * 25**2 * 7)]:
        monkeypatch.setattr(module, "PRODUCTS", products)
        monkeypatch.setattr(module, "SYSTEMS", systems)
        torch.testing.assert_close(regression_errors(features, settings), expected, rtol=1e-5, atol=0)


def test_the_same_features_give_the_same_map() -> None:
    features = {"layer2": relu_features(12, 11, 7)}
    maps = [grnr(features, {"layer2": place(8)}, GrnrSettings()) for _ in range(2)]
    assert torch.equal(*maps)


def test_no_side_of_the_image_is_special() -> None:
    features = relu_features(12, 7, 9)
    expected = regression_errors(features, GrnrSettings())
    flips: list[Callable[[torch.Tensor], torch.Tensor]] = [
        lambda values: values.flip(-1),
        lambda values: values.flip(-2),
        lambda values: values.mT,
    ]
    for flipped in flips:
        found = regression_errors(flipped(features), GrnrSettings())
        torch.testing.assert_close(found, flipped(expected), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0, -3e-20, 1e8])
def test_a_constant_image_has_nothing_to_show(value: float) -> None:
    features = {"layer2": torch.full((16, 8, 6), value), "layer3": torch.full((32, 4, 3), value)}
    found = grnr(features, {"layer2": place(8), "layer3": place(16)}, GrnrSettings())
    assert found.max() <= 1e-8 * value**4


@pytest.mark.parametrize("shape", [(5, 1, 1), (5, 1, 6), (5, 6, 1), (1, 2, 2)])
@pytest.mark.parametrize("scale", [1e-40, 1e-21, 1e15, 1e37])
def test_every_finite_image_has_a_finite_map(shape: tuple[int, int, int], scale: float) -> None:
    features = {"layer2": scale * relu_features(*shape), "layer3": scale * relu_features(*shape, seed=1)}
    found = grnr(features, {"layer2": place(8), "layer3": place(16)}, GrnrSettings())
    assert torch.isfinite(found).all()
    assert (found >= 0).all()


def test_a_texture_of_tiny_values_beside_a_large_one_has_a_finite_map() -> None:
    features = relu_features(5, 9, 9) * 1e-21
    features[:, 0, 0] = 1.0
    assert torch.isfinite(regression_errors(features, GrnrSettings())).all()


def test_errors_grow_with_the_square_of_the_features() -> None:
    features = relu_features(12, 7, 9)
    expected = regression_errors(features, GrnrSettings())
    torch.testing.assert_close(regression_errors(64 * features, GrnrSettings()), 64**2 * expected)
    torch.testing.assert_close(
        regression_errors((8 * features).half(), GrnrSettings()), 64 * expected, rtol=0.02, atol=0
    )


def test_cells_that_no_neighbour_resembles_stand_out() -> None:
    features = 1 + 0.1 * relu_features(12, 16, 16)
    features[:6, 4, 11] += 1
    assert regression_errors(features, GrnrSettings()).argmax() == 4 * 16 + 11


def test_real_defects_are_found_on_the_whole_frame(shared: Path) -> None:
    folder = shared / "data" / "fabric02"
    weights = shared / "weights" / "resnet18_imagenet_trunk_layer3.pth"
    extractor = load_extractor("resnet18", weights=weights, layers=("layer2", "layer3"))
    masks, maps = [], []
    for mask in sorted((folder / "ground_truth").glob("*/*.png"))[::7]:
        image = next((folder / "test" / mask.parent.name).glob(f"{mask.stem.removesuffix('_mask')}.*"))
        pixels = torch.from_numpy(read_image(image)).permute(2, 0, 1)[None]
        features = extractor(resize_image(pixels, (320, 320)))
        height, width = pixels.shape[2:]
        places = {
            layer: Geometry(height, width, 320, 320, extractor.strides[layer], extractor.offsets[layer])
            for layer in features
        }
        found = grnr({layer: values[0] for layer, values in features.items()}, places, GrnrSettings())
        masks.append(read_mask(mask))
        maps.append(map_to_pixels(found.numpy(), places["layer2"]))
    assert auroc(masks, maps) > 0.97


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_gpu_gives_the_map_of_the_cpu() -> None:
    features = {"layer2": relu_features(64, 40, 33), "layer3": relu_features(128, 20, 17, seed=1)}
    places = {"layer2": place(8), "layer3": place(16)}
    expected = grnr(features, places, GrnrSettings())
    found = grnr({layer: values.cuda() for layer, values in features.items()}, places, GrnrSettings())
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"patch_size": 2}, "patch_size: 2"),
        ({"neighbour_radius": 0}, "neighbour_radius: 0"),
        ({"neighbour_step": 0}, "neighbour_step: 0"),
        ({"global_cells": 0}, "global_cells: 0"),
        ({"eta": -1}, "eta: -1"),
        ({"eta": float("nan")}, "eta: nan"),
        ({"sigma": -0.5}, "sigma: -0.5"),
        ({"sigma": float("inf")}, "sigma: inf"),
    ],
)
def test_wrong_settings_are_named(given: dict[str, float], message: str) -> None:
    with pytest.raises(FirstsightError, match=re.escape(f"config: detectors.grnr.{message} should be ")):
        read_settings(GrnrSettings, given, ("detectors", "grnr"))


def test_values_that_are_not_finite_are_refused() -> None:
    features = relu_features(3, 4, 5)
    features[1, 2, 3] = float("nan")
    with pytest.raises(FirstsightError, match="1 values that are not finite"):
        grnr({"layer2": features}, {"layer2": place(8)}, GrnrSettings())


@pytest.mark.parametrize(("channels", "radius", "warned"), [(8, 1, True), (9, 1, False), (24, 2, True)])
def test_channels_that_neighbours_span_are_warned_of_in_one_line(channels: int, radius: int, warned: bool) -> None:
    features = {"layer2": relu_features(channels, 8, 6)}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        grnr(features, {"layer2": place(8)}, GrnrSettings(neighbour_radius=radius))
    lines = [str(warning.message) for warning in told]
    assert len(lines) == warned
    assert all(line.startswith(f"grnr: layer2 has {channels} channels") and "\n" not in line for line in lines)
