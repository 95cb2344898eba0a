"""Print the results of docs/ablation.yaml as a table: python docs/ablation_table.py <results>

Collections are named <set>__<features>, where the second part says how the features were made.
"""

import sys
from itertools import groupby

import pandas

from firstsight.results import Results, open_results

METRICS = {
    "pro": "PRO",
    "auroc": "AUROC",
    "average_precision": "AP",
    "f1_max": "best F1",
    "image_auroc": "AUROC of images",
}
STAGES = ("fit", "detect")


def main(folder: str) -> None:
    """A row for each set, features and detector: metrics of the whole frame in percent, called images, seconds."""
    results = open_results(folder)
    metrics = results.metrics[results.metrics["crop"].eq(0)]
    values = metrics.pivot_table(index=["collection", "detector"], columns="metric", values="value", sort=False)
    columns = ["set", "features", "detector", *METRICS.values(), "good called", "anomalous called", "seconds an image"]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for collection, rows in groupby(values.iterrows(), key=lambda row: row[0][0]):
        features = _seconds(results, collection, None, ("features",))
        for (_, detector), row in rows:
            shown = [_percent(row.get(metric)) for metric in METRICS]
            called = [_percent(_called(results.images, collection, detector, normal)) for normal in (True, False)]
            seconds = f"{features:.2f} + {_seconds(results, collection, detector, STAGES):.2f}"
            print(f"| {' | '.join([*collection.split('__'), f'`{detector}`', *shown, *called, seconds])} |")


def _called(images: pandas.DataFrame, collection: str, detector: str, normal: bool) -> float:
    """The share of the normal, or of the anomalous, images of a collection that have a region; NaN of none."""
    chosen = images[images["collection"].eq(collection) & images["is_normal"].eq(normal)]
    return float(chosen[f"{detector}_anomalous_area"].gt(0).astype(float).mean())


def _seconds(results: Results, collection: str, detector: str | None, stages: tuple[str, ...]) -> float:
    """Seconds of a collection's jobs for each of its images."""
    runs = results.runs[results.runs["collection"].eq(collection) & results.runs["rule"].isin(stages)]
    if detector is not None:
        runs = runs[runs["detector"].eq(detector)]
    count = results.images["collection"].eq(collection).sum()
    return float(runs["seconds"].sum() / count)


def _percent(share: float | None) -> str:
    return "–" if share is None or pandas.isna(share) else f"{100 * share:.1f}"


if __name__ == "__main__":
    main(sys.argv[1])
