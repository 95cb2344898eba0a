"""Join the robustness of all collections."""

from pathlib import Path

from firstsight.stages.job import run_job
from firstsight.stages.robustness import join_robustness

with run_job(snakemake.log[0], snakemake.output.run, rule="robustness") as job:
    join_robustness(
        parts=[Path(path) for path in snakemake.input.parts],
        table=Path(snakemake.output.table),
        markdown=Path(snakemake.output.markdown),
        job=job,
    )
