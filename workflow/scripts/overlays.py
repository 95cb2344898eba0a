"""Draw the overlays of a shard."""

from pathlib import Path

from firstsight.stages.job import run_job
from firstsight.stages.overlays import draw_overlays

names = dict(collection=snakemake.wildcards.collection, shard=snakemake.wildcards.shard, detector=snakemake.params.name)
with run_job(snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="overlays", **names) as job:
    draw_overlays(
        maps=Path(snakemake.input.maps),
        manifest=Path(snakemake.input.manifest),
        truth=Path(snakemake.input.truth),
        threshold=Path(snakemake.input.threshold),
        output=Path(snakemake.output.overlays),
        job=job,
    )
