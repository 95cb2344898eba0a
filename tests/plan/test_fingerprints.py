import hashlib
import json
from typing import Any

import pytest

from firstsight.errors import FirstsightError
from firstsight.plan.fingerprints import settings_fingerprint


def test_is_the_head_of_the_sha256_of_canonical_json() -> None:
    settings = {"b": [1, 2.5, None], "a": {"y": True, "x": "ä"}}
    text = '{"a":{"x":"ä","y":true},"b":[1,2.5,null]}'
    assert json.loads(text) == settings
    assert settings_fingerprint(settings) == hashlib.sha256(text.encode()).hexdigest()[:10]


def test_order_and_kind_of_container_do_not_matter() -> None:
    assert settings_fingerprint({"a": 1, "b": (1, 2)}) == settings_fingerprint({"b": [1, 2], "a": 1})
    assert settings_fingerprint({"sigma": 3}) == settings_fingerprint({"sigma": 3.0})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": "1"}),
        ({"a": None}, {}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": {"b": 1}}, {"a": 1, "b": 1}),
        ({"a": 0.1}, {"a": 0.1 + 1e-16}),
    ],
)
def test_different_settings_differ(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert settings_fingerprint(one) != settings_fingerprint(other)


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"a": {"b": float("nan")}}, "settings.a.b is nan"),
        ({"a": [0, float("inf")]}, r"settings.a\[1\] is inf"),
        ({"a": {1: 2}}, "settings.a has the key 1"),
        ({"a": {1, 2}}, "settings.a is a set"),
    ],
)
def test_what_json_cannot_hold_is_named(settings: dict[str, Any], part: str) -> None:
    with pytest.raises(FirstsightError, match=part):
        settings_fingerprint(settings)
