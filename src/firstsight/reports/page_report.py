"""What the page of a run shows, gathered before any of it is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas

from firstsight.clustering.verdicts import Verdict


@dataclass(frozen=True)
class ClusterReport:
    """One cluster of `n_images` images. Cluster -1 holds the outliers and has no medoid.

    `support` is how well it is found again in parts of the collection, in [0, 1]; None: not asked.
    """

    cluster: int
    name: str
    n_images: int
    medoid: str | None
    support: float | None = None


@dataclass(frozen=True)
class DetectorReport:
    """What one detector found in one collection.

    Args:
        name: the detector's name in the config.
        settings: its settings, and what it learned, in one line of text.
        threshold: the collection's threshold, in the units of the map; where images have their own, the middle one.
        threshold_says: one line on how the threshold was determined.
        verdicts_say: what a person's verdicts say of it, or nothing.
        rate: share of normal images that may be called anomalous, where that decides on images.
        otsu: whether every image has Otsu's threshold of its own scores, so that there is no other to try.
        false_alarms: a sentence on how many normal images are called anomalous, or nothing.
        scale: the values at the two ends of the overlays' colours.
        folder: the folder of its overlays by shard, relative to the page's folder, with forward slashes, not
            percent-encoded.
        colour_bar: the legend of the scale, a PNG; its path is written as ``folder``.
        metrics: rows of the `metrics` table (columns metric, value, low, high, crop, n_images, n_regions; crop is the
            share of the frame cut from each side); empty without masks and labels.
        image_results: one row per image with a map, indexed by image: score (in the units of the map), p_value (null if
            unknown), threshold (of the image), area (share of it that is anomalous), regions (their number), cluster
            (-1: none; null: not clustered) and distance (to the centre of its cluster, or null).
        regions: rows of the `regions` table.
        clusters: the clusters, in the order of the page.
        n_clusters: number of clusters, 0 if the images were not clustered.
        clusters_chosen: one line on how that number was determined.
        charts: from `firstsight.stages.charts`: a point in the plane for every image, and the tree of the clusters.
    """

    name: str
    settings: str
    threshold: float
    threshold_says: str
    scale: tuple[float, float]
    folder: str
    colour_bar: str
    metrics: pandas.DataFrame
    image_results: pandas.DataFrame
    regions: pandas.DataFrame
    clusters: tuple[ClusterReport, ...]
    n_clusters: int
    clusters_chosen: str
    charts: Mapping[str, Any]
    rate: float | None = None
    otsu: bool = False
    false_alarms: str = ""
    verdicts_say: str = ""

    @property
    def n_images(self) -> int:
        """Images with a map."""
        return len(self.image_results)

    @property
    def n_anomalous(self) -> int:
        """Images with an anomalous region."""
        return int(self.image_results["regions"].gt(0).sum())

    @property
    def n_outliers(self) -> int:
        """Images that are in no cluster."""
        return int(self.image_results["cluster"].lt(0).sum())


@dataclass(frozen=True)
class CollectionReport:
    """One collection: its images, its extractor, the detectors' results, and what was set aside.

    Args:
        name: the collection's name in the config.
        path: where its images are, as text.
        n_images: number of all its images.
        extractor, weights: as text.
        scale: the windows in which its texture is judged, and the size at which images enter, in words.
        detectors: their results.
        images: one row per image of which a detector has a map: image, shard, label (null if unknown), width and height
            in pixels, notes (`firstsight.reports.image_notes`), original (the address of its file, or null) and native
            (whether a browser shows that file as it is read).
        set_aside: (image, status) of the images that were set aside.
        no_textures: (image, score) of the images that may be no texture, highest score first; they are searched too.
        detectors_set_aside: one line for each detector that could not run.
        unread: one line for each suffix of files that could not be read.
        masks: what the values of its masks mean, in words; empty if it has none.
        remarks: one line for each thing that a user should know of its files, images, labels and masks.
        originals: the address of the folder below which the files of most images lie, with a slash at its end.
    """

    name: str
    path: str
    n_images: int
    extractor: str
    weights: str
    scale: str
    detectors: tuple[DetectorReport, ...]
    images: pandas.DataFrame
    set_aside: tuple[tuple[str, str], ...]
    no_textures: tuple[tuple[str, float], ...] = ()
    detectors_set_aside: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    masks: str = ""
    remarks: tuple[str, ...] = ()
    originals: str = ""


@dataclass(frozen=True)
class Page:
    """Everything the page shows; ``verdicts`` are those that the run was given, ``groups`` the address of the page of
    groups of collections, or nothing."""

    title: str
    version: str
    collections: tuple[CollectionReport, ...]
    verdicts: tuple[Verdict, ...] = ()
    groups: str = ""
