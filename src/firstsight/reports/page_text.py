"""How the page formats numbers and names metrics."""

from typing import Any
from urllib.parse import quote

import pandas

METRIC_TITLES = {
    "pro": "PRO: overlap by region, up to 30 % false positives",
    "auroc": "AUROC of pixels",
    "average_precision": "average precision of pixels",
    "f1_max": "best F1 of pixels",
    "image_auroc": "AUROC of images",
    "auroc_by_image": "AUROC of pixels, image by image: the mean over anomalous images",
    "average_precision_by_image": "average precision of pixels, image by image: the mean over anomalous images",
    "nmi": "clusters: normalised mutual information",
    "ari": "clusters: adjusted Rand index",
    "matched_f1": "clusters: accuracy after matching to the labels",
    "nmi_oracle": "as nmi, the true number of clusters given",
    "ari_oracle": "as ari, the true number of clusters given",
    "matched_f1_oracle": "as matched_f1, the true number of clusters given",
    "nmi_with_collection": "how far the kinds repeat the collections: near 0 where they are shared",
}
"""What every metric measures, in the order of the page. A metric not listed comes last, under its bare name."""

_NOTHING = "–"


def number(value: float | None) -> str:
    """Up to three significant digits, whole numbers from 1,000 on; an en dash if there is no number."""
    if value is None or _missing(value):
        return _NOTHING
    if value == 0:
        return "0"
    if abs(value) >= 1e7 or 0 < abs(value) < 1e-4:
        return f"{value:.2e}".replace("-", "−")
    return (f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}").replace("-", "−")


def metric_value(value: float | None) -> str:
    """A value in [0, 1] with three decimals; an en dash if it is undefined."""
    return _NOTHING if _missing(value) else f"{value:.3f}"


def count(value: int | None) -> str:
    """A whole number with thousands separators; an en dash if there is no number."""
    return _NOTHING if value is None or _missing(value) else f"{int(value):,d}"


def _missing(value: Any) -> bool:
    return bool(pandas.isna(value))


def image_anchor(collection: str, detector: str, image: str) -> str:
    """Where the page shows an image as a detector sees it: what follows the page's address."""
    return "#" + "/".join(quote(part, safe="/", errors="replace") for part in (collection, detector, image))
