"""The results of a run, opened from Python."""

from pathlib import Path

import numpy as np
import pandas
import pytest

import firstsight
from firstsight.errors import FirstsightError
from firstsight.results import Results
from result_samples import SIDE, write_results

COLLECTIONS = {
    "tiles": {"a.png": [0], "b.png": [], "gone.png": []},
    "wood": {"a.png": [0], "c.png": []},
}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    write_results(tmp_path, COLLECTIONS)
    return firstsight.open_results(tmp_path)


def test_tables_are_data_frames_and_read_once(results: Results) -> None:
    assert len(results.images) == 5
    assert list(results.regions["image"]) == ["a.png", "a.png"]
    assert len(results.clusters) == 4
    assert results.metrics.empty
    assert isinstance(results.runs, pandas.DataFrame)
    assert results.runs is results.runs
    assert results.page == results.folder / "reports/index.html"


def test_a_map_is_that_of_its_image_and_collection(results: Results) -> None:
    np.testing.assert_array_equal(results.map("b.png"), np.full((SIDE, SIDE), 1, np.float32))
    np.testing.assert_array_equal(results.map("c.png", detector="fca"), np.full((SIDE, SIDE), 11, np.float32))
    np.testing.assert_array_equal(results.map("a.png", collection="wood"), np.full((SIDE, SIDE), 10, np.float32))


@pytest.mark.parametrize(
    ("image", "more", "line"),
    [
        ("a.png", {}, "say which collection: tiles, wood"),
        ("a.png", {"collection": "tile"}, "no collection 'tile' here; did you mean tiles?"),
        ("b.png", {"detector": "fac"}, "no detector 'fac' here; did you mean fca?"),
        ("gone.png", {}, "gone.png has no map: no such file"),
        ("bb.png", {}, r"no image 'bb.png' in .*; did you mean b.png\?"),
    ],
)
def test_a_map_that_is_not_there_is_one_line(results: Results, image: str, more: dict[str, str], line: str) -> None:
    with pytest.raises(FirstsightError, match=line):
        results.map(image, **more)


def test_a_folder_without_results_is_told(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match="has no table 'images': it holds no results, or the run has not ended"):
        firstsight.open_results(tmp_path)
