"""Compute the metrics of a detector on a collection."""

from pathlib import Path

from firstsight.stages.evaluate import evaluate_collection
from firstsight.stages.rule import as_paths, run_rule

with run_rule(snakemake, "evaluate", tasks=len(snakemake.input.maps)) as job:
    evaluate_collection(
        maps=as_paths(snakemake.input.maps),
        manifests=as_paths(snakemake.input.manifests),
        truths=as_paths(snakemake.input.truths),
        descriptors=as_paths(snakemake.input.descriptors),
        scores=as_paths(snakemake.input.scores),
        clusters=Path(snakemake.input.clusters),
        crop=snakemake.params.crop,
        collection=job.collection,
        detector=job.detector,
        fingerprint=snakemake.params.fingerprint,
        output=Path(snakemake.output.metrics),
        job=job,
    )
