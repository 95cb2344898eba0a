"""Draw the overlays of a shard."""

from pathlib import Path

from firstsight.stages.overlays import draw_overlays
from firstsight.stages.rule import run_rule

with run_rule(snakemake, "overlays") as job:
    draw_overlays(
        maps=Path(snakemake.input.maps),
        manifest=Path(snakemake.input.manifest),
        truth=Path(snakemake.input.truth),
        threshold=Path(snakemake.input.threshold),
        output=Path(snakemake.output.overlays),
        job=job,
    )
