"""Measure every detector on a collection or a degraded copy, and where two of them disagree."""

from pathlib import Path

from firstsight.stages.compare import compare_maps
from firstsight.stages.rule import as_paths, run_rule

with run_rule(snakemake, "compare_maps", tasks=len(snakemake.input.manifests)) as job:
    compare_maps(
        maps=snakemake.params.maps,
        manifests=as_paths(snakemake.input.manifests),
        truths=as_paths(snakemake.input.truths),
        collection=snakemake.wildcards.collection,
        metrics=Path(snakemake.output.metrics),
        pairs=Path(snakemake.output.pairs),
        picture=Path(snakemake.output.picture),
        job=job,
    )
