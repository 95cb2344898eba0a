"""Write a line for every cluster into the file in which a person names them."""

from pathlib import Path

from firstsight.clustering.names import write_names
from firstsight.stages.job import run_job
from firstsight.storage.tables import read_table

with run_job(snakemake.log[0], snakemake.params.record, rule="name_clusters"):
    write_names(Path(snakemake.params.names), read_table(Path(snakemake.input.clusters)))
