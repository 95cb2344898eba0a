"""Let a detector learn from a whole collection."""

from pathlib import Path

from firstsight.stages.fit import fit_detector
from firstsight.stages.rule import as_paths, run_rule

with run_rule(snakemake, "fit", tasks=len(snakemake.input.features)) as job:
    fit_detector(
        features=as_paths(snakemake.input.features),
        output=Path(snakemake.output.model),
        summary=Path(snakemake.output.summary),
        checkpoints=Path(snakemake.params.checkpoints),
        method=snakemake.params.method,
        settings=snakemake.params.settings,
        layers=snakemake.params.layers,
        device=snakemake.params.device,
        threads=snakemake.threads,
        job=job,
    )
