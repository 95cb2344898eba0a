"""Take over the threshold of the collection that new images are compared with."""

from pathlib import Path

from firstsight.stages.rule import run_rule
from firstsight.stages.threshold import take_over_threshold

with run_rule(snakemake, "known_threshold"):
    take_over_threshold(
        Path(snakemake.input.threshold), known=snakemake.params.known, output=Path(snakemake.output.threshold)
    )
