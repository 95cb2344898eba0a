"""Print the ablation of docs/methods.md as a table: python docs/ablation_table.py <metrics.parquet>

Collections are named <set>__<features>, where the second part says how the features were made.
"""

import sys
from pathlib import Path

import pandas

from firstsight.storage.tables import read_table

METRICS = ("pro", "average_precision", "image_auroc")


def main(path: Path) -> None:
    """One row a set, one column for features and detector: PRO / average precision / AUROC of images, whole frame."""
    metrics = read_table(path)
    chosen = metrics[metrics["metric"].isin(METRICS) & metrics["crop"].eq(0)].copy()
    chosen[["set", "features"]] = chosen["collection"].str.split("__", expand=True)
    values = chosen.pivot_table(index="set", columns=["features", "detector", "metric"], values="value", sort=False)
    variants = list(dict.fromkeys(zip(*(values.columns.get_level_values(level) for level in (0, 1)), strict=True)))
    print(f"| set | {' | '.join(f'{features}, {detector}' for features, detector in variants)} |")
    print(f"| --- |{' --- |' * len(variants)}")
    for name, row in values.iterrows():
        print(f"| {name} | {' | '.join(_cell(row, variant) for variant in variants)} |")
    means = [values[(*variant, "pro")].mean() * 100 for variant in variants]
    print(f"| mean PRO | {' | '.join(f'{mean:.1f}' for mean in means)} |")


def _cell(row: pandas.Series, variant: tuple[str, str]) -> str:
    shown = (row.get((*variant, metric), float("nan")) for metric in METRICS)
    return " / ".join("–" if pandas.isna(value) else f"{100 * value:.1f}" for value in shown)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
