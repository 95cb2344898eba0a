"""Tell the known kind of each new image."""

from pathlib import Path

from firstsight.stages.assign import assign_collection
from firstsight.stages.job import run_job

names = dict(collection=snakemake.wildcards.collection, detector=snakemake.params.name)
with run_job(
    snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="assign_kinds", **names
) as job:
    assign_collection(
        descriptors=[Path(path) for path in snakemake.input.descriptors],
        kinds=Path(snakemake.input.kinds),
        **names,
        output=Path(snakemake.output.clusters),
        summary=Path(snakemake.output.summary),
        regions=[Path(path) for path in snakemake.input.regions],
        region_clusters=Path(snakemake.output.regions),
        names=Path(snakemake.input.names[0]) if snakemake.input.names else None,
        job=job,
    )
