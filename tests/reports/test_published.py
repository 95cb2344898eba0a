"""The published figures on the pages of studies are those of the papers."""

import pytest

from firstsight.reports.published import ablation, reference_table


@pytest.mark.parametrize(
    ("page", "line"),
    [
        (ablation(), "| method | MVTec textures PRO | NMI | F1 | MTD PRO | NMI | F1 | Leaves PRO | NMI | F1 |"),
        (ablation(), "| FCA + CL | 0.969 | 0.81 | 0.81 | 0.722 | 0.17 | 0.54 | 0.481 | 0.53 | 0.71 |"),
        (ablation(), "| full | 0.975 | 0.79 | 0.81 | 0.755 | 0.22 | 0.67 | 0.772 | 0.71 | 0.83 |"),
        (reference_table(), "| method | MVTec AD textures | MVTec AD objects | MTL AD | milliseconds |"),
        (reference_table(), "| PaDiM | 98.08 / 97.28 | 93.41 / 98.17 | 77.33 / 83.10 | 503 |"),
        (reference_table(), "| PatchCore + theirs | 99.28 / 97.16 | 97.76 / 98.72 | 80.67 / 87.20 | – |"),
    ],
)
def test_lines_are_those_that_were_printed(page: str, line: str) -> None:
    assert line in page.splitlines()
