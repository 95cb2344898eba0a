"""What a user wrote against a model of settings: what is taken, and how a mistake reads."""

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import ValidationError

from firstsight.errors import ConfigError
from firstsight.settings_model import Layers, OddSize, SettingsModel, Share, UserPath, read_settings


class Example(SettingsModel):
    layers: Layers | None = None
    """Feature layers. More of them."""
    patch_size: OddSize = 9
    """Side of the window."""
    sigma: float = 3.0
    border: Literal["renormalise", "paper"] = "renormalise"
    limit: float | None = None
    share: Share = 0.5
    folder: UserPath | None = None


def test_values_given_replace_defaults() -> None:
    assert read_settings(Example, {}) == Example()
    given = {"layers": ["layer2", "layer3"], "patch_size": 5, "sigma": 2, "border": "paper", "limit": None}
    expected = Example(layers=("layer2", "layer3"), patch_size=5, sigma=2.0, border="paper", limit=None)
    assert read_settings(Example, given) == expected
    assert isinstance(read_settings(Example, {"sigma": 2}).sigma, float)


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert read_settings(Example, {"folder": "~/a"}).folder == Path("/home/me/a")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"patchsize": 5}, "config: detectors.x.patchsize: unknown key; did you mean patch_size?"),
        ({"patch_size": "5"}, "config: detectors.x.patch_size: '5' should be a whole number (Side of the window)"),
        ({"patch_size": 5.0}, "config: detectors.x.patch_size: 5.0 should be a whole number (Side of the window)"),
        ({"patch_size": True}, "config: detectors.x.patch_size: true should be a whole number (Side of the window)"),
        ({"patch_size": 4}, "config: detectors.x.patch_size: 4 should be odd"),
        ({"patch_size": 0}, "config: detectors.x.patch_size: 0 should be at least 1 (Side of the window)"),
        ({"sigma": "wide"}, "config: detectors.x.sigma: 'wide' should be a number"),
        ({"sigma": float("nan")}, "config: detectors.x.sigma: nan should be finite"),
        ({"limit": "no"}, "config: detectors.x.limit: 'no' should be a number or null"),
        ({"border": "zero"}, "config: detectors.x.border: 'zero' is not one of renormalise, paper"),
        ({"layers": "layer2"}, "config: detectors.x.layers: 'layer2' should be a list or null (Feature layers)"),
        ({"layers": []}, "config: detectors.x.layers: [] should be of length 1 at least or null (Feature layers)"),
        ({"layers": [2]}, "config: detectors.x.layers.0: 2 should be text"),
        ({"share": 0}, "config: detectors.x.share: 0 should be above 0"),
        ({"share": 1.5}, "config: detectors.x.share: 1.5 should be at most 1"),
        ({"folder": ""}, "config: detectors.x.folder: '' should name a file or a folder"),
        (3, "config: detectors.x: 3 should be a mapping (key: value)"),
    ],
)
def test_a_mistake_names_the_key(given: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(Example, given, ("detectors", "x"))
    assert str(caught.value) == message


def test_every_mistake_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(Example, {"sigma": "wide", "patch_size": 4, "bordr": "paper"})
    assert [mistake.key for mistake in caught.value.mistakes] == [("bordr",), ("patch_size",), ("sigma",)]


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Example().sigma = 1.0  # type: ignore[misc]
