"""The tables of a run: the one place where their columns and types are fixed.

Six tables that every run has, and four of runs with groups of collections, each with one kind of row:

| table      | one row                                      | sorted by                           |
| ---------- | -------------------------------------------- | ----------------------------------- |
| `images`   | image of a collection, set aside or not      | collection, image                   |
| `regions`  | connected anomalous region                   | collection, image, detector, region |
| `clusters` | image and detector                           | collection, image, detector         |
| `metrics`  | collection, detector, metric and crop        | collection, detector, metric, crop  |
| `runs`     | job                                          | collection, rule, shard, detector   |
| `unread`   | suffix of files that cannot be read          | collection, suffix                  |

`group_clusters` has a row for each image of a group and detector, and for each region of an anomalous one;
`kinds_by_collection` one for each kind and collection of a group; `kinds_by_time` one for each of these in each period
from which the collection has images; `group_metrics` one for each metric of a group.
"""

from collections.abc import Sequence

import pyarrow


def _required(name: str, kind: pyarrow.DataType) -> pyarrow.Field:
    return pyarrow.field(name, kind, nullable=False)


def _optional(name: str, kind: pyarrow.DataType) -> pyarrow.Field:
    return pyarrow.field(name, kind, nullable=True)


SCHEMAS: dict[str, pyarrow.Schema] = {
    "images": pyarrow.schema(
        [
            _required("collection", pyarrow.string()),
            _required("image", pyarrow.string()),
            _required("path", pyarrow.string()),
            # Null where an image that was set aside could not be read.
            _optional("sha256", pyarrow.string()),
            _optional("width", pyarrow.int32()),
            _optional("height", pyarrow.int32()),
            _optional("channels", pyarrow.int16()),
            _optional("dtype", pyarrow.string()),
            _optional("label", pyarrow.string()),
            # Whether the label says that it is normal; null where that is unknown.
            _optional("is_normal", pyarrow.bool_()),
            # Several are separated by line ends.
            _optional("mask", pyarrow.string()),
            # Which of its values are anomalous: "> 0", "> 127.5", or the values.
            _optional("mask_values", pyarrow.string()),
            # What is odd about label and mask.
            _optional("truth_remark", pyarrow.string()),
            # When it was taken, without a zone; null where that is unknown.
            _optional("time", pyarrow.timestamp("us")),
            # The mask of missing pixels.
            _optional("missing", pyarrow.string()),
            # The mask of pixels that are no part of the texture.
            _optional("ignored", pyarrow.string()),
            _optional("shard", pyarrow.string()),
            # The values that are black and white; null where the type leaves no doubt.
            _optional("value_low", pyarrow.float64()),
            _optional("value_high", pyarrow.float64()),
            # The first image of the collection that shows the same thing: the same bytes, or another photograph of it.
            _optional("duplicate_of", pyarrow.string()),
            # What was left out of an image, and what else a user should know; null: nothing.
            _optional("remark", pyarrow.string()),
            _required("status", pyarrow.string()),
            # How much its parts differ (1: not at all), and whether they are alike enough; null: undecidable.
            _optional("texture_score", pyarrow.float32()),
            _optional("is_texture", pyarrow.bool_()),
        ]
    ),
    "regions": pyarrow.schema(
        [
            _required("collection", pyarrow.string()),
            _required("image", pyarrow.string()),
            _required("detector", pyarrow.string()),
            _required("region", pyarrow.int32()),
            _required("x", pyarrow.int32()),
            _required("y", pyarrow.int32()),
            _required("width", pyarrow.int32()),
            _required("height", pyarrow.int32()),
            _required("area", pyarrow.int64()),
            _required("score_max", pyarrow.float32()),
            _required("score_mean", pyarrow.float32()),
            _required("centroid_x", pyarrow.float32()),
            _required("centroid_y", pyarrow.float32()),
            # Of the region itself, not of its image; -1 and "other" or "unknown" if it belongs to no cluster.
            _optional("cluster", pyarrow.int32()),
            _optional("cluster_name", pyarrow.string()),
        ]
    ),
    "clusters": pyarrow.schema(
        [
            _required("collection", pyarrow.string()),
            _required("image", pyarrow.string()),
            _required("detector", pyarrow.string()),
            # -1: in no kind ("other"), or of an unknown one.
            _required("cluster", pyarrow.int32()),
            _required("cluster_name", pyarrow.string()),
            # To the cluster's centre; for an image in no cluster, to the nearest centre.
            _optional("distance", pyarrow.float32()),
            # Null for an image in no cluster.
            _optional("silhouette", pyarrow.float32()),
            _required("is_medoid", pyarrow.bool_()),
            # estimated, given or oracle.
            _required("n_clusters_from", pyarrow.string()),
            # Of the cluster: 1 less the chance that as many normal images stand out as much; null: not asked.
            _optional("support", pyarrow.float32()),
        ]
    ),
    "metrics": pyarrow.schema(
        [
            _required("collection", pyarrow.string()),
            _required("detector", pyarrow.string()),
            _required("metric", pyarrow.string()),
            # Null: the metric is undefined here (no anomalous pixel, a single label).
            _optional("value", pyarrow.float64()),
            # The 95 % interval over images; null where it is not known.
            _optional("low", pyarrow.float64()),
            _optional("high", pyarrow.float64()),
            _optional("n_images", pyarrow.int32()),
            _optional("n_regions", pyarrow.int32()),
            _required("crop", pyarrow.float64()),
            _required("settings_fingerprint", pyarrow.string()),
        ]
    ),
    "runs": pyarrow.schema(
        [
            _required("collection", pyarrow.string()),
            _required("rule", pyarrow.string()),
            # A job on a whole collection has no shard; a job before detection has no detector and perhaps no weights.
            _optional("shard", pyarrow.string()),
            _optional("detector", pyarrow.string()),
            _required("device", pyarrow.string()),
            # The model of the GPU or the processor.
            _optional("device_name", pyarrow.string()),
            _required("n_images", pyarrow.int32()),
            # What it found, in words; null if it says nothing.
            _optional("says", pyarrow.string()),
            _required("seconds", pyarrow.float64()),
            _required("seconds_by_step", pyarrow.string()),
            _optional("peak_memory_mb", pyarrow.float64()),
            _required("versions", pyarrow.string()),
            _optional("weights_sha256", pyarrow.string()),
            # Of the settings that the result depends on, as in its path; null if it depends on none.
            _optional("fingerprint", pyarrow.string()),
            # All settings of the job's collection and detector, if it has one, as JSON; null for a job on them all.
            _optional("config", pyarrow.string()),
            _optional("machine", pyarrow.string()),
        ]
    ),
    "unread": pyarrow.schema(
        [
            _required("collection", pyarrow.string()),
            _required("suffix", pyarrow.string()),
            _required("n_files", pyarrow.int64()),
            # Relative to the collection's folder.
            _required("example", pyarrow.string()),
            # What to do.
            _required("advice", pyarrow.string()),
        ]
    ),
    "group_clusters": pyarrow.schema(
        [
            _required("group", pyarrow.string()),
            _required("detector", pyarrow.string()),
            _required("collection", pyarrow.string()),
            _required("image", pyarrow.string()),
            # Null: the row is about the whole image.
            _optional("region", pyarrow.int32()),
            # 0: normal; -1: anomalous, but in no kind.
            _required("cluster", pyarrow.int32()),
            _required("cluster_name", pyarrow.string()),
            # Of the cluster, as in the table clusters.
            _optional("support", pyarrow.float32()),
            # To the centre of the cluster; of what is in no kind, to the nearest centre; null for normal images.
            _optional("distance", pyarrow.float32()),
            # The collection and the image in the middle of the cluster, or of the nearest one.
            _optional("medoid_collection", pyarrow.string()),
            _optional("medoid", pyarrow.string()),
            _required("is_medoid", pyarrow.bool_()),
        ]
    ),
    "kinds_by_collection": pyarrow.schema(
        [
            _required("group", pyarrow.string()),
            _required("detector", pyarrow.string()),
            _required("cluster", pyarrow.int32()),
            _required("cluster_name", pyarrow.string()),
            _required("collection", pyarrow.string()),
            _required("n_images", pyarrow.int64()),
            # Of the collection's images.
            _required("share", pyarrow.float64()),
            # Whether no earlier collection has images of this kind.
            _required("is_new", pyarrow.bool_()),
        ]
    ),
    "kinds_by_time": pyarrow.schema(
        [
            _required("group", pyarrow.string()),
            _required("detector", pyarrow.string()),
            _required("cluster", pyarrow.int32()),
            _required("cluster_name", pyarrow.string()),
            _required("collection", pyarrow.string()),
            # How long a period is: hour, day, month or year.
            _required("unit", pyarrow.string()),
            # Its first moment.
            _required("period", pyarrow.timestamp("us")),
            _required("n_images", pyarrow.int64()),
            # Of the collection's images of that period.
            _required("share", pyarrow.float64()),
        ]
    ),
    "group_metrics": pyarrow.schema(
        [
            _required("group", pyarrow.string()),
            _required("detector", pyarrow.string()),
            _required("metric", pyarrow.string()),
            _required("value", pyarrow.float64()),
            _required("n_images", pyarrow.int64()),
        ]
    ),
}
"""Columns and types by table. `images` has five more columns for every detector: see `images_schema`."""

TRUTH_COLUMNS = ("label", "is_normal", "mask", "mask_values", "truth_remark", "time")
"""Columns of `images` that the stage truth fills in."""

SORT_KEYS: dict[str, tuple[str, ...]] = {
    "images": ("collection", "image"),
    "regions": ("collection", "image", "detector", "region"),
    "clusters": ("collection", "image", "detector"),
    "metrics": ("collection", "detector", "metric", "crop"),
    "runs": ("collection", "rule", "shard", "detector"),
    "unread": ("collection", "suffix"),
    "group_clusters": ("group", "detector", "collection", "image", "region"),
    "kinds_by_collection": ("group", "detector", "cluster", "collection"),
    "kinds_by_time": ("group", "detector", "cluster", "collection", "period"),
    "group_metrics": ("group", "detector", "metric"),
}

_SCORE, _P_VALUE, _Q_VALUE, _AREA, _THRESHOLD = "_score", "_p_value", "_q_value", "_anomalous_area", "_threshold"


def images_schema(detectors: Sequence[str]) -> pyarrow.Schema:
    """The schema of the `images` table with the columns of these detectors, in the order given.

    For every detector: `<detector>_score` (float32, the image's score), `<detector>_p_value` and `<detector>_q_value`
    (float32, of the score among those of the collection; null in collections of fewer than 10 images),
    `<detector>_anomalous_area` (int64, pixels above the threshold) and `<detector>_threshold` (float32, in the units of
    the map). All are null for an image that was set aside.
    """
    columns = list(SCHEMAS["images"])
    for detector in detectors:
        columns += [_optional(detector + name, pyarrow.float32()) for name in (_SCORE, _P_VALUE, _Q_VALUE)]
        columns.append(_optional(detector + _AREA, pyarrow.int64()))
        columns.append(_optional(detector + _THRESHOLD, pyarrow.float32()))
    return pyarrow.schema(columns)


def detectors_in(schema: pyarrow.Schema) -> list[str]:
    """The detectors whose five columns an `images` table holds."""
    known = set(SCHEMAS["images"].names)
    return [name.removesuffix(_SCORE) for name in schema.names if name not in known and name.endswith(_SCORE)]
