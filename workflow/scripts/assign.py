"""Tell the known kind of each new image."""

from pathlib import Path

from firstsight.stages.assign import assign_collection
from firstsight.stages.rule import as_paths, run_rule

with run_rule(snakemake, "assign_kinds") as job:
    assign_collection(
        descriptors=as_paths(snakemake.input.descriptors),
        kinds=Path(snakemake.input.kinds),
        collection=job.collection,
        detector=job.detector,
        regions=as_paths(snakemake.input.regions),
        output=Path(snakemake.output.clusters),
        summary=Path(snakemake.output.summary),
        region_clusters=Path(snakemake.output.regions),
        names=Path(snakemake.input.names[0]) if snakemake.input.names else None,
        job=job,
    )
