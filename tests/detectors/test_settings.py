"""What a user writes for a detector against the dataclass of its settings."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from firstsight.detectors.settings import parse_settings
from firstsight.errors import FirstsightError


@dataclass(frozen=True)
class Example:
    layers: tuple[str, ...] | None = None
    patch_size: int = 9
    sigma: float = 3.0
    border: Literal["renormalise", "paper"] = "renormalise"
    limit: float | None = None

    def __post_init__(self) -> None:
        if self.patch_size % 2 == 0:
            raise FirstsightError(f"patch_size is {self.patch_size}, but must be odd")


def test_values_given_replace_defaults() -> None:
    assert parse_settings(Example, {}, "detectors.x") == Example()
    given = {"layers": ["layer2", "layer3"], "patch_size": 5, "sigma": 2, "border": "paper", "limit": None}
    assert parse_settings(Example, given, "detectors.x") == Example(("layer2", "layer3"), 5, 2.0, "paper", None)
    assert isinstance(parse_settings(Example, {"sigma": 2}, "x").sigma, float)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"patchsize": 5}, "detectors.x.patchsize: unknown key; did you mean patch_size?"),
        ({"patch_size": "5"}, "detectors.x.patch_size: '5' should be a whole number"),
        ({"patch_size": 5.0}, "detectors.x.patch_size: 5.0 should be a whole number"),
        ({"patch_size": True}, "detectors.x.patch_size: True should be a whole number"),
        ({"sigma": "wide"}, "detectors.x.sigma: 'wide' should be a number"),
        ({"limit": "no"}, "detectors.x.limit: 'no' should be a number or null"),
        ({"border": "zero"}, "detectors.x.border: 'zero' should be one of renormalise, paper"),
        ({"layers": "layer2"}, "detectors.x.layers: 'layer2' should be a list of text or null"),
        ({"layers": [2]}, "detectors.x.layers: (2,) should be a list of text or null"),
        ({"patch_size": 4}, "detectors.x: patch_size is 4, but must be odd"),
    ],
)
def test_a_mistake_names_the_key(given: dict[str, Any], message: str) -> None:
    with pytest.raises(FirstsightError) as caught:
        parse_settings(Example, given, "detectors.x")
    assert str(caught.value) == message
