"""Make the anomaly maps of a shard."""

from pathlib import Path

from firstsight.stages.detect import detect_anomalies
from firstsight.stages.rule import run_rule

with run_rule(snakemake, "detect") as job:
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
