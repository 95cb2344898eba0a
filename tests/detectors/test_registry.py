"""The detectors a config may name: each runs with its defaults and says what it reads."""

import inspect
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from firstsight.detectors import aota, patch_statistics
from firstsight.detectors.borders import level_borders
from firstsight.detectors.layers import scale_channels
from firstsight.detectors.protocol import Detect, Fit
from firstsight.detectors.registry import DETECTORS, IMAGE, find_detector
from firstsight.errors import FirstsightError
from firstsight.settings_model import read_settings
from firstsight.storage.geometry import Geometry

PATCH_STATISTICS: dict[str, Callable[..., torch.Tensor]] = {
    "fca": patch_statistics.fca,
    "sample_weighted_wasserstein": patch_statistics.sample_weighted_wasserstein,
    "histogram": patch_statistics.histogram,
    "moments": patch_statistics.moments,
    "aota": aota.aota,
}
LEARNING = [name for name, detector in DETECTORS.items() if detector.learns]
READING_IMAGES = [name for name, detector in DETECTORS.items() if detector.reads_image]
READING_FEATURES = [name for name in DETECTORS if name not in (*LEARNING, *READING_IMAGES)]

PLACES = {"layer2": Geometry(160, 192, 160, 192, 8, 0.0), "layer3": Geometry(160, 192, 160, 192, 16, 0.0)}


@pytest.fixture
def features() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "layer2": torch.randn(6, 20, 24, generator=generator),
        "layer3": torch.randn(4, 12, 10, generator=generator),
    }


@pytest.mark.parametrize("name", READING_FEATURES)
def test_every_detector_runs_with_its_defaults(name: str, features: dict[str, torch.Tensor]) -> None:
    detector = DETECTORS[name]
    one = detector.detect({"layer2": features["layer2"]}, PLACES, detector.settings())
    assert one.shape == (20, 24)
    assert one.dtype == torch.float32
    assert torch.isfinite(one).all()
    both = detector.detect(features, PLACES, detector.settings())
    assert both.shape == (20, 24)
    assert not torch.equal(one, both)


@pytest.mark.parametrize("name", READING_IMAGES)
def test_every_detector_of_images_takes_one_with_missing_pixels(name: str) -> None:
    detector = DETECTORS[name]
    image = torch.rand(3, 72, 90, generator=torch.Generator().manual_seed(0))
    image[:, 5:9, 80:] = torch.nan
    quick = {"w_rec": 1.0, "w_perc": 0.0, "alpha_perc": 0.0, "epochs": 1, "steps": 1} if name == "ssdnet" else {}
    found = detector.detect({IMAGE: image}, {IMAGE: Geometry(72, 90, 72, 90, 1, 0.0)}, detector.settings(**quick))
    assert found.shape == (72, 90)
    assert found.dtype == torch.float32
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("name", PATCH_STATISTICS)
def test_settings_are_arguments_of_the_function_with_its_defaults(name: str) -> None:
    parameters = inspect.signature(PATCH_STATISTICS[name]).parameters
    for key, field in DETECTORS[name].settings.model_fields.items():
        if key not in {"layers", "patch_size", "level_borders"}:
            assert parameters[key].default == field.default


def test_fca_reads_channels_scaled_to_one_range(features: dict[str, torch.Tensor]) -> None:
    layer = features["layer2"]
    detector = DETECTORS["fca"]
    found = detector.detect({"layer2": layer * 7 - 3}, PLACES, read_settings(detector.settings, {"patch_size": 9}))
    expected = level_borders(patch_statistics.fca(scale_channels(layer)), 10)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", PATCH_STATISTICS)
def test_borders_are_levelled_unless_the_settings_say_otherwise(name: str, features: dict[str, torch.Tensor]) -> None:
    detector, layer = DETECTORS[name], {"layer2": features["layer2"]}
    raw = detector.detect(layer, PLACES, read_settings(detector.settings, {"patch_size": 5, "level_borders": False}))
    found = detector.detect(layer, PLACES, read_settings(detector.settings, {"patch_size": 5}))
    assert torch.equal(found, level_borders(raw, 6))
    assert not torch.equal(found, raw)


@pytest.mark.parametrize("name", [*PATCH_STATISTICS, "blind"])
def test_an_even_patch_size_is_refused(name: str) -> None:
    with pytest.raises(FirstsightError, match="patch_size: 4 should be odd"):
        read_settings(DETECTORS[name].settings, {"patch_size": 4})


@pytest.mark.parametrize("name", LEARNING)
def test_what_learns_keeps_to_the_protocol(name: str) -> None:
    detector = DETECTORS[name]
    for function, protocol in ((detector.fit, Fit), (detector.detect, Detect)):
        expected = inspect.signature(protocol.__call__).parameters.values()
        parameters = inspect.signature(function).parameters.values()
        assert [(each.name, each.kind) for each in parameters] == [(each.name, each.kind) for each in expected][1:]
    assert not detector.reads_image


def test_a_run_is_planned_without_torch() -> None:
    code = "import sys, firstsight.plan.run; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_detector_is_named() -> None:
    with pytest.raises(FirstsightError, match=r"unknown detector 'fac'; did you mean fca\?"):
        find_detector("fac")
