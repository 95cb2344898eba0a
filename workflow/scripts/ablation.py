"""Write the ablation of blind localization."""

from pathlib import Path

from firstsight.stages.ablation import AblationRow, write_ablation
from firstsight.stages.job import run_job

rows = [
    AblationRow(
        collection=row["collection"],
        method=row["method"],
        contrastive=row["contrastive"],
        metrics=Path(row["metrics"]),
        summary=Path(row["summary"]),
        records=tuple(Path(path) for path in row["records"]),
    )
    for row in snakemake.params.rows
]
with run_job(snakemake.log[0], snakemake.output.run, rule="ablation") as job:
    write_ablation(
        rows=rows,
        table=Path(snakemake.output.table),
        markdown=Path(snakemake.output.markdown),
        job=job,
    )
