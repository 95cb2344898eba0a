"""What a run says at its end: what was found, and where the page is."""

import webbrowser
from pathlib import Path

import click
import pandas

from firstsight.results import Results, open_results
from firstsight.wording import plural


def tell_findings(results: Path, *, open_page: bool) -> None:
    """Say what was found and where the page is, in a line each.

    Args:
        results: folder of a run that has come to its end.
        open_page: whether the page is shown in the browser, too.
    """
    opened = open_results(results)
    address = opened.page.absolute().as_uri()
    click.echo(findings(opened))
    click.echo(address)
    if open_page:
        webbrowser.open(address)


def findings(results: Results) -> str:
    """What a run has found, as the page says it. An image is anomalous if any detector found a region in it."""
    images, regions = results.images, results.regions
    aside = int(images["status"].ne("ok").sum())
    anomalous = len(regions[["collection", "image"]].drop_duplicates())
    clusters = results.clusters[results.clusters["cluster"].ge(0)]
    n_clusters = clusters.drop_duplicates(["collection", "detector", "cluster"]).groupby("detector").size()
    return (
        f"{anomalous:,} of {plural(len(images), 'image')} {'shows' if anomalous == 1 else 'show'} anomalies, "
        f"{plural(len(regions), 'region')}, {_spread(n_clusters)}; "
        + (f"{plural(aside, 'file')} {'was' if aside == 1 else 'were'} set aside" if aside else "no file was set aside")
    )


def _spread(numbers: pandas.Series) -> str:
    """The number of clusters, or from the least to the most where there are several detectors."""
    low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    return plural(high, "cluster") if low == high else f"{low:,} to {plural(high, 'cluster')}"
