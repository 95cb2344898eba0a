"""Make a degraded copy of a sample of a collection."""

from pathlib import Path

from firstsight.plan.degraded import degradation_of
from firstsight.stages.manifest import Values
from firstsight.stages.robustness import degrade_images
from firstsight.stages.rule import run_rule

degradation, level = degradation_of(snakemake.wildcards.collection)
with run_rule(snakemake, "degrade") as job:
    degrade_images(
        images=snakemake.params.images,
        degradation=degradation,
        level=level,
        output=Path(snakemake.output.images),
        values=Values(Path(snakemake.params.values), snakemake.params.sample, snakemake.params.given_values),
        seed=snakemake.params.seed,
        job=job,
    )
