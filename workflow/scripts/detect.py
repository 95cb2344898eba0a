"""Make the anomaly maps of a shard."""

from pathlib import Path

from firstsight.stages.detect import detect_anomalies
from firstsight.stages.job import run_job

names = dict(collection=snakemake.wildcards.collection, shard=snakemake.wildcards.shard, detector=snakemake.params.name)
with run_job(snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="detect", **names) as job:
    detect_anomalies(
        source=Path(snakemake.input.source),
        model=Path(snakemake.input.model) if snakemake.input.get("model") else None,
        output=Path(snakemake.output.maps),
        method=snakemake.params.method,
        settings=snakemake.params.settings,
        layers=snakemake.params.layers,
        device=snakemake.params.device,
        threads=snakemake.threads,
        job=job,
    )
