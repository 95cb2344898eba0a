"""Config files as a person wrote them: keys that are there twice, and where a mistake stands."""

import re
from pathlib import Path

import pytest

from firstsight.errors import ConfigError, FirstsightError, Mistake
from firstsight.plan.config_files import read_config, refuse_duplicates, tell_mistakes


def test_a_key_that_is_there_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("collections:\n  wood: {path: a}\n  wool: {path: b}\n  wood: {path: c}\n")
    with pytest.raises(FirstsightError, match=r"config: collections.wood: is there twice \(again in .*, line 4\)"):
        refuse_duplicates(path)
    for fine in ("a: {x: 1}\nb: {x: 1}\n", "", "- x\n- x\n", "{", "base: &b {x: 1}\nc: {<<: *b, x: 2}\n"):
        path.write_text(fine)
        refuse_duplicates(path)
    refuse_duplicates(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a: [1,\nb: }", ", line 2 is not YAML: while parsing a flow node, expected the node content, but found '}'"),
        (b"\t- x", ", line 1: a tab; YAML wants spaces in its place"),
        (b"a:\n  b: 1\n\tc: 2\n", ", line 3: a tab; YAML wants spaces in its place"),
        (b"a: \x00", " is not YAML: unacceptable character #x0000: special characters are not allowed"),
    ],
)
def test_what_is_not_yaml_is_one_line_that_names_its_place(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(FirstsightError, match=f"^{re.escape(f'config: {path}{told}')}") as caught:
        read_config(path)
    assert "\n" not in str(caught.value)


def test_an_empty_file_is_an_empty_config(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").touch()
    assert read_config(tmp_path / "empty.yaml") == {}
    with pytest.raises(FirstsightError, match=r"no such file: .*absent\.yaml"):
        read_config(tmp_path / "absent.yaml")
    with pytest.raises(FirstsightError, match="cannot be read"):
        read_config(tmp_path)


DEFAULTS = "detectors:\n  fca: {}\nfeatures:\n  extractor: laws\n"
MINE = "collections:\n  tiles: nowhere\n  wood:\n    path: x\n    detectors:\n      fca:\n        layers: [a, b]\n"


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (("features", "extractor"), "config: features.extractor: wrong [{defaults}, line 4]"),
        (("features", "weights"), "config: features.weights: wrong [{defaults}, line 3]"),
        (("names",), "config: names: wrong"),
        (("collections", "wood", "path"), "config: collections.wood.path: wrong [{mine}, line 4]"),
        (("collections", "tiles", "path"), "config: collections.tiles: wrong [{mine}, line 2]"),
        (("collections", "tiles", "detectors", "fca"), "config: detectors.fca: wrong [{defaults}, line 2]"),
        (("collections", "wood", "detectors", "fca"), "config: collections.wood.detectors.fca: wrong [{mine}, line 6]"),
        (
            ("collections", "wood", "detectors", "fca", "layers", 1),
            "config: collections.wood.detectors.fca.layers.1: wrong [{mine}, line 7]",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, key: tuple[str | int, ...], told: str) -> None:
    defaults, mine = tmp_path / "config.yaml", tmp_path / "mine.yaml"
    defaults.write_text(DEFAULTS)
    mine.write_text(MINE)
    lines = tell_mistakes(ConfigError([Mistake(key, "wrong")]), [defaults, mine])
    assert lines == [told.format(defaults=defaults, mine=mine)]


def test_a_later_file_stands_over_an_earlier_one(tmp_path: Path) -> None:
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    files[0].write_text("x: 1\nnames: 2\n")
    files[1].write_text("names: 3\n")
    assert tell_mistakes(ConfigError([Mistake(("names",), "wrong")]), files) == [
        f"config: names: wrong [{files[1]}, line 1]"
    ]


def test_what_is_wrong_for_all_collections_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("detectors:\n  fca: {layers: [x]}\ncollections: {a: x, b: y}\n")
    mistakes = [Mistake(("collections", name, "detectors", "fca", "layers"), "wrong") for name in "ab"]
    assert tell_mistakes(ConfigError(mistakes), [path]) == [f"config: detectors.fca.layers: wrong [{path}, line 2]"]
