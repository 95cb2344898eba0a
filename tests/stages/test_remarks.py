"""What a user should know of the images of a collection, one line each."""

from typing import Any

import pandas

from firstsight.stages.remarks import remarks_on, with_copies


def images(*rows: dict[str, Any]) -> pandas.DataFrame:
    plain = dict(width=64, height=64, value_low=None, value_high=None, remark=None, duplicate_of=None, status="ok")
    return pandas.DataFrame([{"image": f"{n}.png", "sha256": f"{n}"} | plain | row for n, row in enumerate(rows)])


def test_nothing_is_said_of_what_is_usual() -> None:
    assert remarks_on(images({}, {"width": 300}, {"status": "truncated", "width": 5})) == []
    assert remarks_on(images({}).iloc[:0]) == []


def test_copies_are_exact_or_near() -> None:
    table = images({"sha256": "a"}, {}, {"sha256": "a"}, {"sha256": None}, {"sha256": None}, {"sha256": "a"})
    copied = with_copies(table, {"2.png": "0.png", "5.png": "0.png", "4.png": "3.png"})
    assert copied["duplicate_of"].dropna().to_dict() == {2: "0.png", 4: "3.png", 5: "0.png"}
    exact = "2 images are exact copies of others (2.png of 0.png)"
    assert remarks_on(copied) == [exact, "1 image is a near copy of another (4.png of 3.png)"]
    assert remarks_on(with_copies(table, {})) == []


def test_sizes_that_differ_eightfold() -> None:
    (line,) = remarks_on(images({}, {"width": 512, "height": 600}))
    assert line.startswith("images differ eightfold or more in size, from 64 x 64 (0.png) to 512 x 600 (1.png)")
    assert remarks_on(images({}, {"width": 511, "height": 600})) == []


def test_ranges_and_remarks_are_counted() -> None:
    deep = {"value_low": 0.0, "value_high": 4095.0}
    lines = remarks_on(images({"remark": "a; b"}, {"remark": "b"}, deep))
    assert lines == ["1 image: values from 0 to 4095 are black to white", "2 images: b (0.png)", "1 image: a (0.png)"]
    lines = remarks_on(images(*({"remark": f"{n}"} for n in range(30))))
    assert len(lines) == 21
    assert lines[-1] == "10 more remarks are in the table images"
