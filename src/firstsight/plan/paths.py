"""Every path below the folder of results, spelt here and nowhere else.

A path is a pattern: Snakemake fills its wildcards in (``collection``, ``shard``, ``features``, ``detector``, ``kinds``,
``group``, ``table``, ``format``), and so does `str.format`.
"""

import re
from dataclasses import dataclass, fields
from pathlib import PurePath

PLAIN, CONTRASTIVE = "kinds", "contrastive_kinds"
"""Folders of kinds of anomaly: from descriptors of the features as they are, or of those that the head makes."""

_COLLECTION = "{collection}"
_SHARD = f"{_COLLECTION}/shards/{{shard}}"
_FEATURES = f"{_COLLECTION}/features/{{features}}"
_DETECTOR = f"{_COLLECTION}/detectors/{{detector}}"
_KINDS = f"{_DETECTOR}/{{kinds}}"
_HEAD = f"{_DETECTOR}/{CONTRASTIVE}"
_GROUP = "groups/{group}/{detector}"
_EXPORT = "exports/{collection}/{detector}/{format}"
_LOGS = "logs"
_LOGS_OF_COLLECTION = f"{_LOGS}/{{collection}}"
_LOGS_OF_DETECTOR = f"{_LOGS_OF_COLLECTION}/{{detector}}"
_LOGS_OF_KINDS = f"{_LOGS_OF_DETECTOR}/{{kinds}}"

DIGEST = "[0-9a-f]{10}"
"""A regular expression for the name of a shard, and for the end of the name of a folder of features or a detector."""


@dataclass(frozen=True)
class Paths:
    """What a run leaves and where: the files of each step, with the record and the log of the job that makes them.

    The defaults are relative to the folder of results; `paths_below` puts that before them.
    """

    # A collection whose images the run makes, and the range of values of one whose images have more than 8 bits.
    images: str = f"{_COLLECTION}/images"
    values: str = f"{_COLLECTION}/values.json"
    demo_record: str = f"{_COLLECTION}/demo.run.json"
    demo_log: str = f"{_LOGS_OF_COLLECTION}/demo.log"

    # A shard. Once its members are written, it keeps them.
    shards: str = f"{_COLLECTION}/shards"
    manifest: str = f"{_SHARD}/images.parquet"
    members: str = f"{_SHARD}/members.json"
    contents: str = f"{_SHARD}/contents.npz"
    manifest_record: str = f"{_SHARD}/manifest.run.json"
    manifest_log: str = f"{_LOGS_OF_COLLECTION}/manifest/{{shard}}.log"
    truth: str = f"{_SHARD}/truth.json"
    truth_record: str = f"{_SHARD}/truth.run.json"
    truth_log: str = f"{_LOGS_OF_COLLECTION}/truth/{{shard}}.log"

    # Features, the scale of their images, and the weights that they are computed with where these are tuned first.
    scale: str = f"{_FEATURES}/scale.json"
    scale_record: str = f"{_FEATURES}/scale.run.json"
    scale_log: str = f"{_LOGS_OF_COLLECTION}/{{features}}/scale.log"
    features: str = f"{_FEATURES}/{{shard}}.zarr.zip"
    features_record: str = f"{_FEATURES}/{{shard}}.run.json"
    features_log: str = f"{_LOGS_OF_COLLECTION}/{{features}}/{{shard}}.log"
    tuned: str = f"{_FEATURES}/tuned.pt"
    tuned_record: str = f"{_FEATURES}/tuned.run.json"
    tuned_checkpoints: str = f"{_FEATURES}/tuning"
    tuned_log: str = f"{_LOGS_OF_COLLECTION}/{{features}}/tune.log"

    # A detector: what it learned, its maps and their threshold, pictures of both.
    model: str = f"{_DETECTOR}/model.pt"
    model_summary: str = f"{_DETECTOR}/model.json"
    model_record: str = f"{_DETECTOR}/model.run.json"
    model_checkpoints: str = f"{_DETECTOR}/fitting"
    model_log: str = f"{_LOGS_OF_DETECTOR}/fit.log"
    maps: str = f"{_DETECTOR}/maps/{{shard}}.zarr.zip"
    maps_record: str = f"{_DETECTOR}/maps/{{shard}}.run.json"
    maps_log: str = f"{_LOGS_OF_DETECTOR}/detect/{{shard}}.log"
    threshold: str = f"{_DETECTOR}/decision.json"
    threshold_record: str = f"{_DETECTOR}/decision.run.json"
    threshold_log: str = f"{_LOGS_OF_DETECTOR}/threshold.log"
    overlays: str = f"{_DETECTOR}/pictures/{{shard}}"
    overlays_of_all_shards: str = f"{_DETECTOR}/pictures"
    overlays_record: str = f"{_DETECTOR}/pictures/{{shard}}.run.json"
    overlays_log: str = f"{_LOGS_OF_DETECTOR}/overlays/{{shard}}.log"
    colour_bar: str = f"{_DETECTOR}/colour_bar.png"

    # Kinds of anomaly, and the head for the contrastive ones.
    regions_of_shard: str = f"{_KINDS}/regions/{{shard}}.parquet"
    scores: str = f"{_KINDS}/scores/{{shard}}.json"
    descriptors: str = f"{_KINDS}/described/{{shard}}.npz"
    descriptors_record: str = f"{_KINDS}/described/{{shard}}.run.json"
    descriptors_log: str = f"{_LOGS_OF_KINDS}/describe/{{shard}}.log"
    plain_descriptors: str = f"{_DETECTOR}/{PLAIN}/described/{{shard}}.npz"
    head: str = f"{_HEAD}/head.pt"
    head_record: str = f"{_HEAD}/head.run.json"
    head_log: str = f"{_LOGS_OF_DETECTOR}/{CONTRASTIVE}/head.log"
    clusters: str = f"{_KINDS}/clusters.parquet"
    regions: str = f"{_KINDS}/regions.parquet"
    kinds: str = f"{_KINDS}/kinds.npz"
    clusters_summary: str = f"{_KINDS}/clusters.json"
    clusters_record: str = f"{_KINDS}/clusters.run.json"
    cluster_log: str = f"{_LOGS_OF_KINDS}/cluster.log"
    assign_log: str = f"{_LOGS_OF_KINDS}/assign.log"
    charts: str = f"{_KINDS}/likeness.json"
    charts_record: str = f"{_KINDS}/likeness.run.json"
    charts_log: str = f"{_LOGS_OF_KINDS}/charts.log"
    metrics: str = f"{_KINDS}/metrics.parquet"
    metrics_record: str = f"{_KINDS}/metrics.run.json"
    metrics_log: str = f"{_LOGS_OF_KINDS}/evaluate.log"

    # Groups of collections: the normal cells of a shard, and the kinds that a group has in common.
    normal_cells: str = f"{_DETECTOR}/normal_cells/{{shard}}.npz"
    normal_cells_record: str = f"{_DETECTOR}/normal_cells/{{shard}}.run.json"
    normal_cells_log: str = f"{_LOGS_OF_DETECTOR}/normal_cells/{{shard}}.log"
    group_clusters: str = f"{_GROUP}/clusters.parquet"
    group_summary: str = f"{_GROUP}/clusters.json"
    group_record: str = f"{_GROUP}/clusters.run.json"
    group_log: str = f"{_LOGS}/{_GROUP}.log"
    group_tables_record: str = "tables/.group_tables.run.json"
    group_tables_log: str = f"{_LOGS}/group_tables.log"
    group_page: str = "reports/groups"
    group_page_record: str = "reports/groups.run.json"
    group_page_log: str = f"{_LOGS}/group_page.log"

    # The papers' tables: metrics of maps without kinds, and what detectors cost.
    localization: str = f"{_DETECTOR}/localization.parquet"
    localization_record: str = f"{_DETECTOR}/localization.run.json"
    localization_log: str = f"{_LOGS_OF_DETECTOR}/localization.log"
    costs: str = f"{_COLLECTION}/costs.json"
    costs_record: str = f"{_COLLECTION}/costs.run.json"
    costs_log: str = f"{_LOGS_OF_COLLECTION}/costs.log"

    # Studies: the comparison of all detectors on a collection, and degraded copies.
    comparison: str = f"{_COLLECTION}/comparison/localization.parquet"
    disagreement: str = f"{_COLLECTION}/comparison/disagreement.parquet"
    disagreement_picture: str = f"{_COLLECTION}/comparison/disagreement.png"
    comparison_record: str = f"{_COLLECTION}/comparison/comparison.run.json"
    comparison_log: str = f"{_LOGS_OF_COLLECTION}/comparison.log"
    degraded_record: str = f"{_COLLECTION}/degrade.run.json"
    degraded_log: str = f"{_LOGS_OF_COLLECTION}/degrade.log"
    curves: str = f"{_COLLECTION}/robustness/curves.png"
    curves_record: str = f"{_COLLECTION}/robustness/curves.run.json"
    curves_log: str = f"{_LOGS_OF_COLLECTION}/curves.log"

    # The whole run, and the configs that the command `firstsight` writes.
    config: str = "firstsight.yaml"
    assigned_config: str = "assigned.yaml"
    sheet: str = "sheets/{collection}.csv"
    run_lock: str = ".run.lock"
    table: str = "tables/{table}.parquet"
    tables_record: str = "tables/.tables.run.json"
    tables_log: str = f"{_LOGS}/tables.log"
    table_page: str = "tables/{table}.md"
    table_record: str = "tables/.{table}.run.json"
    table_log: str = f"{_LOGS}/{{table}}.log"
    names: str = "cluster_names.csv"
    names_record: str = "tables/.name_clusters.run.json"
    names_log: str = f"{_LOGS}/name_clusters.log"
    page: str = "reports/index.html"
    page_data: str = "reports/data"
    findings: str = "reports/findings.html"
    last_run: str = "reports/last_run.json.gz"
    page_record: str = "reports/page.run.json"
    page_log: str = f"{_LOGS}/page.log"
    archive: str = "reports/page.zip"
    archive_record: str = "reports/page.zip.run.json"
    archive_log: str = f"{_LOGS}/share.log"
    export: str = _EXPORT
    export_record: str = f"{_EXPORT}.run.json"
    export_log: str = f"{_LOGS_OF_DETECTOR}/export/{{format}}.log"


def paths_below(results: PurePath) -> Paths:
    """All paths of a run whose results go to ``results``."""
    return Paths(**{field.name: f"{results.as_posix()}/{field.default}" for field in fields(Paths)})


def fingerprint_in(path: PurePath) -> str:
    """The fingerprint of the features or the detector whose folder a path lies in; an empty text elsewhere."""
    fingerprints = re.findall(rf"/(?:features|detectors)/\w+-({DIGEST})(?=/)", path.as_posix())
    return fingerprints[-1] if fingerprints else ""
