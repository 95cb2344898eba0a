"""Compute the metrics of a detector's maps on a collection."""

from pathlib import Path

from firstsight.stages.evaluate import evaluate_maps
from firstsight.stages.rule import as_paths, run_rule

with run_rule(snakemake, "evaluate_maps", tasks=len(snakemake.input.maps)) as job:
    evaluate_maps(
        maps=as_paths(snakemake.input.maps),
        manifests=as_paths(snakemake.input.manifests),
        truths=as_paths(snakemake.input.truths),
        crop=snakemake.params.crop,
        collection=job.collection,
        detector=job.detector,
        fingerprint=snakemake.params.fingerprint,
        output=Path(snakemake.output.metrics),
        job=job,
    )
