"""Snakemake's own report of a run: what it made, with captions, and how."""

from pathlib import Path

import pytest

from running import TABLES, run


@pytest.mark.slow
def test_the_report_has_the_page_and_the_tables_with_captions(demo: Path) -> None:
    done = run(demo, "--report", "report.html")
    assert done.returncode == 0, done.stderr
    report = (demo / "report.html").read_text()
    assert "Most anomalous images, clusters, metrics" in report
    assert "which machine and with" in report
    assert all(f"results/tables/{table}.parquet" in report for table in TABLES)
    assert "results/reports/index.html" in report
