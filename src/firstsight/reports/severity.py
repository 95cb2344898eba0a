"""What is worst: regions, images and kinds by how far they stand out."""

from dataclasses import replace

import pandas

from firstsight.reports.page_report import ClusterReport, DetectorReport

NORMAL = "normal"
"""What the kind without anomalies is called."""


def region_strengths(detector: DetectorReport) -> pandas.Series:
    """How far each region of a detector stands out, by the index of its regions.

    1 is the threshold of the region's image and 0 the texture as it is, so that images with thresholds of their own can
    be compared. A region is never weaker than 1: it lies above the threshold, if only against its own frame.
    """
    usual = detector.scale[0]
    threshold = detector.regions["image"].map(detector.image_results["threshold"]).astype(float)
    height = (threshold - usual).where(threshold > usual)
    strengths = (detector.regions["score_max"].astype(float) - usual) / height
    return strengths.fillna(1.0).clip(lower=1.0)


def image_strengths(detector: DetectorReport) -> pandas.Series:
    """The strength of each image's strongest region, by image; 0 for an image without any."""
    strongest = region_strengths(detector).groupby(detector.regions["image"]).max()
    return strongest.reindex(detector.image_results.index).fillna(0.0).astype(float)


def worst_regions(detector: DetectorReport, most: int) -> pandas.DataFrame:
    """Up to ``most`` rows of the regions, strongest first and no more than one of an image."""
    ordered = detector.regions.assign(strength=region_strengths(detector))
    ordered = ordered.sort_values(["strength", "image", "region"], ascending=[False, True, True], kind="stable")
    return ordered.drop_duplicates("image").head(most)


def is_quiet(cluster: ClusterReport, severity: float) -> bool:
    """Whether a kind is of images without anomalies: it is called normal, or none of its images has a region."""
    return cluster.cluster >= 0 and (cluster.name == NORMAL or severity == 0)


def severities(detector: DetectorReport) -> dict[int, float]:
    """The mean strength of the images of each cluster, by its number."""
    strength, cluster = image_strengths(detector), detector.image_results["cluster"]
    return {
        report.cluster: float(strength[cluster.eq(report.cluster).fillna(value=False)].sum()) / report.n_images
        for report in detector.clusters
    }


def by_severity(detector: DetectorReport) -> DetectorReport:
    """The same report with its clusters in the order of the page: worst first, images in none, then quiet kinds."""
    severity = severities(detector)

    def place(report: ClusterReport) -> tuple[bool, bool, bool, float, int]:
        own = severity[report.cluster]
        return report.name == NORMAL, is_quiet(report, own), report.cluster < 0, -own, report.cluster

    return replace(detector, clusters=tuple(sorted(detector.clusters, key=place)))
