"""Tables as text."""

from firstsight.reports.markdown import markdown_table


def test_a_table() -> None:
    text = markdown_table(["name", "PRO", "n"], [["a|b\nc", 0.12345, 3], ["d", None, 4], ["e", float("nan"), 5]])
    assert text == "| name | PRO | n |\n| --- | --- | --- |\n| a\\|b c | 0.123 | 3 |\n| d | – | 4 |\n| e | – | 5 |\n"


def test_large_numbers_have_no_digits_and_only_what_is_true_is_said() -> None:
    lines = markdown_table(["t", "b"], [[99.96, True], [312.5, False]]).splitlines()
    assert lines[2:] == ["| 99.960 | yes |", "| 312 |  |"]
