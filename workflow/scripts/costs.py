"""Time the detectors of a collection."""

from pathlib import Path

from firstsight.stages.costs import measure_costs
from firstsight.stages.rule import run_rule

with run_rule(snakemake, "costs") as job:
    measure_costs(
        manifest=Path(snakemake.input.manifests[0]),
        detectors=snakemake.params.detectors,
        settings=snakemake.params.settings,
        output=Path(snakemake.output.costs),
        threads=snakemake.threads,
        job=job,
    )
