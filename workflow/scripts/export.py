"""Write the results of a collection in the format of another program."""

from pathlib import Path

from firstsight.stages.export import export_collection
from firstsight.stages.rule import as_paths, run_rule

with run_rule(snakemake, "export") as job:
    export_collection(
        maps=as_paths(snakemake.input.maps),
        manifests=as_paths(snakemake.input.manifests),
        charts=Path(snakemake.input.charts),
        threshold=Path(snakemake.input.threshold),
        regions=Path(snakemake.input.regions),
        clusters=Path(snakemake.input.clusters),
        names=Path(snakemake.input.names[0]) if snakemake.input.names else None,
        verdicts=Path(snakemake.input.verdicts[0]) if snakemake.input.verdicts else None,
        collection=job.collection,
        detector=job.detector,
        method=snakemake.params.method,
        settings=snakemake.params.settings,
        fingerprint=snakemake.params.fingerprint,
        format=snakemake.wildcards.format,
        output=Path(snakemake.output.folder),
        job=job,
    )
