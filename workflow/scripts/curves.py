"""Draw what noise and missing pixels do to every detector on a collection."""

from pathlib import Path

from firstsight.stages.robustness import draw_robustness
from firstsight.stages.rule import run_rule

with run_rule(snakemake, "curves"):
    draw_robustness(rows=snakemake.params.rows, output=Path(snakemake.output.curves))
