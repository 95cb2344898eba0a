"""Print the ablation of docs/methods.md as a table: python docs/ablation_table.py <metrics.parquet>

Collections are named <set>__<variant>, where the variant says how the features were made.
"""

import sys
from pathlib import Path

import pandas

from firstsight.storage.tables import read_table


def main(path: Path) -> None:
    """One row a variant and detector, one column a set: PRO / AP in percent, whole frame."""
    metrics = read_table(path)
    chosen = metrics[metrics["metric"].isin(["pro", "average_precision"]) & metrics["crop"].eq(0)].copy()
    chosen[["set", "features"]] = chosen["collection"].str.split("__", expand=True)
    values = chosen.pivot_table(index=["features", "detector"], columns=["set", "metric"], values="value") * 100
    sets = sorted(chosen["set"].unique())
    print(f"| features | detector | {' | '.join(sets)} |")
    print(f"| --- | --- |{' --- |' * len(sets)}")
    for (features, detector), row in values.iterrows():  # type: ignore[misc]
        cells = [_cell(row, name) for name in sets]
        print(f"| {features} | {detector} | {' | '.join(cells)} |")


def _cell(row: pandas.Series, name: str) -> str:
    if pandas.isna(row[name, "pro"]):
        return "–"
    return f"{row[name, 'pro']:.1f} / {row[name, 'average_precision']:.1f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
