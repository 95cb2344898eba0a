"""Find the kinds that a group of collections has in common."""

from pathlib import Path

from firstsight.stages.group import cluster_group
from firstsight.stages.rule import run_rule

with run_rule(snakemake, "cluster_group") as job:
    cluster_group(
        parts=snakemake.params.parts,
        group=snakemake.wildcards.group,
        detector=job.detector,
        textures=snakemake.params.textures,
        output=Path(snakemake.output.clusters),
        summary=Path(snakemake.output.summary),
        job=job,
    )
