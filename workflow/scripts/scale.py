"""Find the scale of a collection's texture."""

from pathlib import Path

from firstsight.stages.rule import as_paths, run_rule
from firstsight.stages.scale import find_scale

with run_rule(snakemake, "scale") as job:
    find_scale(
        manifests=as_paths(snakemake.input.manifests),
        output=Path(snakemake.output.scale),
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        job=job,
    )
