"""Sort the images of a collection into kinds."""

from pathlib import Path

from firstsight.stages.cluster import cluster_collection
from firstsight.stages.job import run_job

names = dict(collection=snakemake.wildcards.collection, detector=snakemake.params.name)
with run_job(snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="cluster", **names) as job:
    cluster_collection(
        descriptors=[Path(path) for path in snakemake.input.descriptors],
        clusters=snakemake.params.clusters,
        **names,
        output=Path(snakemake.output.clusters),
        summary=Path(snakemake.output.summary),
        scores=[Path(path) for path in snakemake.input.scores],
        truths=[Path(path) for path in snakemake.input.truths],
        oracle=snakemake.params.oracle,
        regions=[Path(path) for path in snakemake.input.regions],
        region_clusters=Path(snakemake.output.regions),
        kinds=Path(snakemake.output.kinds),
        job=job,
    )
