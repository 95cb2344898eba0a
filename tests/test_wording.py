"""How texts count things."""

from firstsight.wording import plural


def test_one_thing_is_no_plural() -> None:
    assert [plural(number, "kind") for number in (0, 1, 2, 12_345)] == ["0 kinds", "1 kind", "2 kinds", "12,345 kinds"]
