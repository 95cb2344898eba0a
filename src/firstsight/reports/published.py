"""Figures that papers published, as Markdown, for the pages of studies that compare with them."""

from firstsight.papers.published import BLIND_SETS, PUBLISHED, SBM_PFAM_METHODS, Published
from firstsight.reports.markdown import markdown_table

_METRICS = {"pro": ("PRO", 3), "nmi_oracle": ("NMI", 2), "matched_f1_oracle": ("F1", 2)}
"""Short names, and digits as they are printed."""

_SETS = {"mvtec_ad_textures": "MVTec AD textures", "mvtec_ad_objects": "MVTec AD objects", "mtl_ad": "MTL AD"}


def ablation() -> str:
    """The ablation of blind localization and clustering."""
    rows = [row for row in PUBLISHED if row.paper == "blind"]
    lines = [
        [
            method,
            *(
                f"{_value(rows, name, method, metric):.{_METRICS[metric][1]}f}"
                for name in BLIND_SETS
                for metric in _METRICS
            ),
        ]
        for method in dict.fromkeys(row.method for row in rows)
    ]
    titles = [
        f"{title} PRO" if metric == "PRO" else metric
        for title in BLIND_SETS.values()
        for metric, _ in _METRICS.values()
    ]
    return f"""## Published

Table 1 of Ardelean and Weyrich, "Classifying Texture Anomalies at First Sight" (2024), for comparison. Other features
(Wide-ResNet50-2), other images, and frames whose borders are cut away; NMI and F1 with the true k.

{markdown_table(["method", *titles], lines)}"""


def reference_table() -> str:
    """The averages over data sets of methods that learn from normal images, and their time."""
    rows = [row for row in PUBLISHED if row.paper == "sbm_pfam" and row.texture is None]
    lines = []
    for name in SBM_PFAM_METHODS:
        for method in (name, f"{name} + theirs"):
            shares = [
                [100 * _value(rows, data_set, method, metric) for metric in ("image_auroc", "auroc")]
                for data_set in _SETS
            ]
            pairs = [f"{of_images:.2f} / {of_pixels:.2f}" for of_images, of_pixels in shares]
            seconds = [row.value for row in rows if row.method == method and row.metric == "seconds"]
            lines.append([method, *pairs, round(1000 * seconds[0]) if seconds else None])
    return f"""## Published

Averages of Tables 1 and 2 of Yuan et al., "Anomaly Detection of Industrial Products Considering both Texture and Shape
Information" (2023), for comparison: image AUROC / AUROC in percent, and milliseconds an image on a GPU. Other images,
all of their normal images, crops of 224 x 224 pixels; textures of MVTec AD had PFAM alone, the others SBM and PFAM.

{markdown_table(["method", *_SETS.values(), "milliseconds"], lines)}"""


def _value(rows: list[Published], data_set: str, method: str, metric: str) -> float:
    return next(row.value for row in rows if (row.data_set, row.method, row.metric) == (data_set, method, metric))
