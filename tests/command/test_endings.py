"""What a run says at its end: what was found, and where the page is."""

from pathlib import Path

import pytest

from firstsight.command.endings import findings, tell_findings
from firstsight.results import open_results
from result_samples import write_results


@pytest.mark.parametrize(
    ("collections", "line"),
    [
        (
            {"tiles": {"a.png": [0, 1], "b.png": [], "gone.png": []}, "wood": {"a.png": [0], "b.png": [-1]}},
            "3 of 5 images show anomalies, 4 regions, 2 clusters; 1 file was set aside",
        ),
        (
            {"tiles": {"a.png": [0], "b.png": [1]}},
            "2 of 2 images show anomalies, 2 regions, 2 clusters; no file was set aside",
        ),
        ({"tiles": {"a.png": [0]}}, "1 of 1 image shows anomalies, 1 region, 1 cluster; no file was set aside"),
        ({"tiles": {"gone.png": []}}, "0 of 1 image show anomalies, 0 regions, 0 clusters; 1 file was set aside"),
    ],
)
def test_what_was_found(tmp_path: Path, collections: dict[str, dict[str, list[int]]], line: str) -> None:
    write_results(tmp_path, collections)
    assert findings(open_results(tmp_path)) == line


def test_the_second_line_is_the_address_of_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_results(tmp_path / "my results", {"tiles": {"a.png": [0]}})
    tell_findings(tmp_path / "my results", open_page=False)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("1 of 1 image")
    assert second == f"file://{tmp_path}/my%20results/reports/index.html"
