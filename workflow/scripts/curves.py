"""Draw what noise and missing pixels do to every detector on a collection."""

from pathlib import Path

from firstsight.stages.job import run_job
from firstsight.stages.robustness import draw_robustness

with run_job(
    snakemake.log[0],
    snakemake.output.run,
    rule="curves",
    config=snakemake.params.config,
    collection=snakemake.wildcards.collection,
):
    draw_robustness(rows=snakemake.params.rows, output=Path(snakemake.output.curves))
