"""Find the threshold of a collection's maps."""

from pathlib import Path

from firstsight.stages.rule import as_paths, run_rule
from firstsight.stages.threshold import find_threshold

with run_rule(snakemake, "threshold", tasks=len(snakemake.input.maps)) as job:
    find_threshold(
        shards=as_paths(snakemake.input.maps),
        output=Path(snakemake.output.threshold),
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        judged=snakemake.params.judged,
        job=job,
    )
