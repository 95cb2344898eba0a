"""Write what was found in a collection in a format of another program."""

from pathlib import Path

from firstsight.stages.export import export_collection
from firstsight.stages.job import run_job

names = dict(collection=snakemake.wildcards.collection, detector=snakemake.params.name)
with run_job(snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="export", **names) as job:
    export_collection(
        maps=[Path(path) for path in snakemake.input.maps],
        threshold=Path(snakemake.input.threshold),
        regions=Path(snakemake.input.regions),
        clusters=Path(snakemake.input.clusters),
        names=Path(snakemake.input.names[0]) if snakemake.input.names else None,
        **names,
        method=snakemake.params.method,
        settings=snakemake.params.settings,
        fingerprint=snakemake.params.fingerprint,
        format=snakemake.wildcards.format,
        output=Path(snakemake.output.folder),
        job=job,
    )
