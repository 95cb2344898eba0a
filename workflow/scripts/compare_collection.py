"""Measure every detector on a collection, and where two of them disagree."""

from pathlib import Path

from firstsight.stages.compare import compare_collection
from firstsight.stages.job import run_job

with run_job(
    snakemake.log[0],
    snakemake.output.run,
    config=snakemake.params.config,
    rule="compare_collection",
    collection=snakemake.wildcards.collection,
) as job:
    compare_collection(
        maps={name: [Path(path) for path in paths] for name, paths in snakemake.params.maps.items()},
        records={name: [Path(path) for path in paths] for name, paths in snakemake.params.records.items()},
        manifests=[Path(path) for path in snakemake.input.manifests],
        truths=[Path(path) for path in snakemake.input.truths],
        collection=snakemake.wildcards.collection,
        metrics=Path(snakemake.output.metrics),
        pairs=Path(snakemake.output.pairs),
        picture=Path(snakemake.output.picture),
        job=job,
    )
