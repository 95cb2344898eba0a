"""What is planned for detectors: layers, folders and fingerprints, and which cannot run."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firstsight.detectors.registry import DETECTORS
from firstsight.errors import FirstsightError
from planning import layers_of, plan, with_normal

NO_PERCEPTION = {"w_rec": 1.0, "w_perc": 0.0, "alpha_perc": 0.0}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"features": {"border": "paper"}}),
        ({}, {"features": {"image_size": 64}}),
        ({"features": {"image_size": 64}}, {"features": {"image_size": [64, 65]}}),
        ({}, {"features": {"dtype": "float32"}}),
        ({}, {"features": {"extractor": "wide_resnet50_2"}}),
        (
            {"features": {"extractor": "wide_resnet50_2", "weights": "IMAGENET1K_V1"}},
            {"features": {"extractor": "wide_resnet50_2", "weights": "IMAGENET1K_V2"}},
        ),
        (
            {"features": {"extractor": "resnet18"}},
            {"features": {"extractor": "resnet18"}, "detectors": {"blind": {"layers": ["layer3"]}}},
        ),
    ],
)
@pytest.mark.usefixtures("downloaded")
def test_another_setting_of_the_features_is_another_path(folder: Path, one: Any, other: Any) -> None:
    first, second = plan(folder, **one), plan(folder, **other)
    assert first.features_folder != second.features_folder
    assert first.detectors["blind"].folder != second.detectors["blind"].folder


def test_a_setting_of_a_detector_is_another_path_of_the_detector_alone(folder: Path) -> None:
    first, second = plan(folder), plan(folder, detectors={"blind": {"patch_size": 5}})
    assert first.features_folder == second.features_folder
    assert first.detectors["blind"].folder != second.detectors["blind"].folder


def test_a_device_is_no_part_of_a_path(folder: Path) -> None:
    assert plan(folder).features_folder == plan(folder, features={"device": "cpu"}).features_folder


@pytest.mark.usefixtures("downloaded")
def test_only_the_layers_that_detectors_read(folder: Path) -> None:
    network = {"features": {"extractor": "resnet18"}}
    assert layers_of(plan(folder, **network)) == ("layer1", "layer2")
    detectors = {
        "deep": {"method": "fca", "layers": ["layer3"]},
        "both": {"method": "fca", "layers": ["layer3", "layer1"]},
    }
    planned = plan(folder, **network, detectors=detectors)
    assert layers_of(planned) == ("layer1", "layer3")
    assert planned.detectors["deep"].layers == ("layer3",)
    assert planned.detector_in(planned.detectors["both"].folder).name == "both"


def test_weights_by_file_count_by_their_content(folder: Path, tmp_path: Path) -> None:
    for name in ("a.pth", "b.pth", "c.pth"):
        (tmp_path / name).write_bytes(b"one" if name != "c.pth" else b"other")
    a, b, c = (
        plan(folder, features={"extractor": "resnet18", "weights": str(tmp_path / name)}).features_folder
        for name in ("a.pth", "b.pth", "c.pth")
    )
    assert a == b
    assert a != c


@pytest.mark.usefixtures("downloaded")
def test_weights_by_name(folder: Path) -> None:
    assert plan(folder).weights == "efficientnet-lite0-57934424.pth", "no folder of this machine"
    assert plan(folder, features={"extractor": "laws"}).weights == "none"
    assert plan(folder, features={"extractor": "resnet18"}).weights == "IMAGENET1K_V1"
    named = {"extractor": "wide_resnet50_2", "weights": "IMAGENET1K_V2"}
    assert plan(folder, features=named).weights == "IMAGENET1K_V2"


def test_settings_are_plain_values(folder: Path) -> None:
    detector = plan(folder).detectors["blind"]
    assert json.loads(json.dumps(detector.settings))["sigma_p"] == 3
    assert replace(detector, name="x").folder == f"x-{detector.fingerprint}"


def test_a_detector_without_its_weights_is_set_aside(folder: Path) -> None:
    absent = {"weights": str(folder / "absent.pth")}
    planned = plan(
        folder, detectors={"fca": {}, "ssdnet": absent, "plain": {"method": "ssdnet", **absent, **NO_PERCEPTION}}
    )
    assert list(planned.detectors) == ["fca", "plain"]
    assert planned.own.set_aside["ssdnet"].startswith("detectors.ssdnet.weights: the weights of vgg19 are not there")
    compared = planned.studies["compare"]
    assert "grnr" in compared.detectors
    learn_what_is_normal = [name for name, detector in DETECTORS.items() if detector.normal]
    assert list(compared.set_aside) == [*learn_what_is_normal, "ssdnet"]
    with pytest.raises(FirstsightError, match="unknown weights 'IMAGENET'"):
        plan(folder, detectors={"ssdnet": {"weights": "IMAGENET"}})


def test_a_detectors_own_weights_are_in_its_fingerprint(folder: Path) -> None:
    weights = folder / "vgg.pth"
    found = set()
    for content in (b"0", b"1"):
        weights.write_bytes(content)
        found.add(plan(folder, detectors={"ssdnet": {"weights": str(weights)}}).detectors["ssdnet"].fingerprint)
    assert len(found) == 2
    with pytest.raises(FirstsightError, match=r"detectors\.ssdnet\.weights: "):
        plan(folder, detectors={"ssdnet": {"weights": str(folder / "absent.pth")}})


def test_features_of_a_tuned_extractor_have_a_folder_of_their_own(good: Path) -> None:
    (good / "weights.pth").write_bytes(b"0")
    network = {"extractor": "resnet18", "weights": str(good / "weights.pth")}
    detectors = {"shaped": {"method": "patchcore", "sbm": True}, "fca": {}, "padim": {}}
    planned = with_normal(good, detectors, reference=str(good / "good"), features=network)
    shaped, fca, padim = (planned.detectors[name] for name in detectors)
    assert list(planned.detectors) == list(detectors)
    assert fca.features == padim.features != shaped.features
    assert planned.layers_of(fca.features) == ("layer1", "layer2", "layer3")
    assert planned.layers_of(shaped.features) == ("layer2", "layer3")
    assert (planned.tuning_of(shaped.features) or {})["layer"] == "layer3"
    assert planned.tuning_of(fca.features) is None
    itself = with_normal(good, detectors, contaminated=True, features=network)
    assert itself.detectors["shaped"].features != shaped.features
    assert itself.detectors["fca"].folder == fca.folder
    assert itself.detectors["padim"].folder != padim.folder


def test_an_extractor_without_weights_cannot_be_tuned(good: Path) -> None:
    with pytest.raises(FirstsightError, match=r"^config: collections\.pile\.detectors\.cfa\.sbm: laws has no weights"):
        with_normal(good, {"cfa": {"sbm": True}}, reference=str(good / "good"), features={"extractor": "laws"})
