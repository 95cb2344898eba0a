"""Keep what the normal cells of a shard are like."""

from pathlib import Path

from firstsight.stages.normal_cells import describe_normal_cells
from firstsight.stages.rule import run_rule

with run_rule(snakemake, "normal_cells") as job:
    describe_normal_cells(
        maps=Path(snakemake.input.maps),
        features=Path(snakemake.input.features),
        scores=Path(snakemake.input.scores),
        layers=snakemake.params.layers,
        output=Path(snakemake.output.cells),
        job=job,
    )
