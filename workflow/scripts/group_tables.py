"""Join the tables of groups of collections."""

from pathlib import Path

from firstsight.stages.group_tables import join_groups
from firstsight.stages.rule import as_paths, run_rule

with run_rule(snakemake, "group_tables") as job:
    join_groups(
        clusters=as_paths(snakemake.input.clusters),
        members=snakemake.params.members,
        images=Path(snakemake.input.images),
        names=Path(snakemake.input.names[0]) if snakemake.input.names else None,
        verdicts=Path(snakemake.input.verdicts[0]) if snakemake.input.verdicts else None,
        output={name: Path(path) for name, path in snakemake.output.items()},
        job=job,
    )
