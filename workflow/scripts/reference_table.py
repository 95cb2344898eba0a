"""Write the comparison of methods that learn from normal images."""

from pathlib import Path

from firstsight.stages.job import run_job
from firstsight.stages.reference_table import ReferenceRow, write_reference_table

rows = [
    ReferenceRow(
        collection=row["collection"],
        method=row["method"],
        sbm=row["sbm"],
        pfam=row["pfam"],
        metrics=Path(row["metrics"]),
        features=tuple(Path(path) for path in row["features"]),
        maps=tuple(Path(path) for path in row["maps"]),
    )
    for row in snakemake.params.rows
]
with run_job(snakemake.log[0], snakemake.output.run, rule="reference_table") as job:
    write_reference_table(
        rows=rows,
        table=Path(snakemake.output.table),
        markdown=Path(snakemake.output.markdown),
        job=job,
    )
