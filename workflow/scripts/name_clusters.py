"""Write a line for every cluster into the file in which a person names them."""

from pathlib import Path

from firstsight.clustering.names import write_names
from firstsight.stages.rule import run_rule
from firstsight.storage.tables import read_table

with run_rule(snakemake, "name_clusters"):
    write_names(
        Path(snakemake.params.names),
        read_table(Path(snakemake.input.clusters)),
        read_table(Path(snakemake.input.groups)) if snakemake.input.groups else None,
    )
