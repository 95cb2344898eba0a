"""Which label is normal."""

import pytest

from firstsight.collections.labels import is_called_defective, is_called_normal, normal_labels


@pytest.mark.parametrize(
    "label",
    [
        "good",
        "OK",
        "ok",
        "Normal",
        "NEGATIVE",
        "defect-free",
        "defect_free",
        "NODefect_images",
        "MT_Free",
        "non-defective",
    ],
)
def test_words_for_normal_images(label: str) -> None:
    assert is_called_normal(label)
    assert not is_called_defective(label)
    assert normal_labels([label, "crack", None]) == {label}


@pytest.mark.parametrize("label", ["ko", "NG", "bad", "Anomaly", "Defect_images", "abnormal", "not ok"])
def test_words_for_defective_images(label: str) -> None:
    assert is_called_defective(label)
    assert not is_called_normal(label)


@pytest.mark.parametrize("label", ["crack", "goods", "normals", "10", "free standing", ""])
def test_other_words_say_neither(label: str) -> None:
    assert not is_called_normal(label)
    assert not is_called_defective(label)


@pytest.mark.parametrize(
    ("labels", "given", "normal"),
    [
        (["0", "1", "2"], [], ["0"]),
        (["0.0", "1.0"], [], ["0.0"]),
        (["False", "True"], [], ["False"]),
        (["good", "0"], [], ["good"]),
        (["ok", "OK", "ko"], [], ["OK", "ok"]),
        (["good", "fine", "crack"], ["Fine"], ["fine"]),
        (["good", "crack"], ["gut"], []),
        (["crack", "hole"], [], []),
    ],
)
def test_the_normal_labels_of_a_collection(labels: list[str], given: list[str], normal: list[str]) -> None:
    assert sorted(normal_labels(labels, given)) == normal
