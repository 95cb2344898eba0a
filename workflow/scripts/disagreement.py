"""Join the tables of how much every two detectors disagree."""

from pathlib import Path

from firstsight.stages.compare import join_disagreements
from firstsight.stages.rule import as_paths, run_rule

with run_rule(snakemake, "disagreement"):
    join_disagreements(
        pairs=as_paths(snakemake.input.pairs),
        table=Path(snakemake.output.table),
        markdown=Path(snakemake.output.markdown),
    )
