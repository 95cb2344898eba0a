"""Sort the images of a collection into kinds."""

from pathlib import Path

from firstsight.stages.cluster import cluster_collection
from firstsight.stages.rule import as_paths, run_rule

with run_rule(snakemake, "cluster") as job:
    cluster_collection(
        descriptors=as_paths(snakemake.input.descriptors),
        clusters=snakemake.params.clusters,
        collection=job.collection,
        detector=job.detector,
        scores=as_paths(snakemake.input.scores),
        truths=as_paths(snakemake.input.truths),
        oracle=snakemake.params.oracle,
        regions=as_paths(snakemake.input.regions),
        output=Path(snakemake.output.clusters),
        summary=Path(snakemake.output.summary),
        region_clusters=Path(snakemake.output.regions),
        kinds=Path(snakemake.output.kinds),
        job=job,
    )
