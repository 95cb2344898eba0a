"""Presets are valid settings, and what the papers say."""

from typing import Any

import pytest

from firstsight.detectors.registry import DETECTORS
from firstsight.features.registry import EXTRACTORS
from firstsight.papers.presets import PAPER_SETTINGS, PRESETS
from firstsight.plan.loading import detector_settings
from firstsight.plan.settings import DetectorEntry, EvaluationSettings, FeatureSettings


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_settings(name: str) -> None:
    preset = PRESETS[name]
    FeatureSettings.model_validate({"extractor": preset.extractor or "laws", **preset.features})
    EvaluationSettings.model_validate({"crop": preset.crop})
    assert set(preset.beside) <= set(preset.detectors)
    assert set(preset.beside.values()) <= set(DETECTORS)
    for detector, entry in preset.detectors.items():
        settings: Any = detector_settings(detector, DetectorEntry.model_validate(dict(entry)))
        layers = getattr(settings, "layers", None)
        if preset.extractor is not None:
            assert layers
            assert set(layers) <= set(EXTRACTORS[preset.extractor].layers)


def test_all_methods_of_the_papers_have_settings() -> None:
    assert set(DETECTORS) - set(PAPER_SETTINGS) == {"rpca"}


@pytest.mark.parametrize(
    ("name", "detector", "expected"),
    [
        ("fca", "fca", {"patch_size": 9, "sigma_p": 3.0, "sigma_s": 1.0, "layers": ("layer2",), "border": "paper"}),
        ("fca_320", "fca", {"patch_size": 3, "reference": "median"}),
        ("fca_vgg19", "fca", {"patch_size": 25, "layers": ("features.0", "features.2")}),
        ("grnr", "grnr", {"global_cells": 40, "eta": 5.0, "sigma": 4.0, "layers": ("layer2", "layer3")}),
        ("ssdnet_fabric", "ssdnet", {"w_rec": 0.0, "w_perc": 1.0, "epochs": 1, "stopping_loss": -100.0}),
        ("ssdnet_grid", "ssdnet", {"w_rec": 1.0, "w_perc": 0.0, "epochs": 10, "patch_sizes": (16,)}),
        ("blind", "blind", {"correspondence": "residuals", "neighbours": False, "patch_size": 7}),
    ],
)
def test_settings_are_those_of_the_paper(name: str, detector: str, expected: dict[str, Any]) -> None:
    entry = DetectorEntry.model_validate(dict(PRESETS[name].detectors[detector]))
    settings = detector_settings(detector, entry).model_dump()
    assert {key: settings[key] for key in expected} == expected
