"""Join the tables of a run."""

from pathlib import Path

from firstsight.stages.rule import as_paths, run_rule
from firstsight.stages.tables import join_tables, n_tasks

with run_rule(snakemake, "tables", tasks=n_tasks(snakemake.input.records)) as job:
    join_tables(
        images=snakemake.params.images,
        detectors=snakemake.params.detectors,
        regions=as_paths(snakemake.input.regions),
        clusters=as_paths(snakemake.input.clusters),
        metrics=as_paths(snakemake.input.metrics),
        records=as_paths(snakemake.input.records),
        unread=snakemake.params.unread,
        names=Path(snakemake.input.names[0]) if snakemake.input.names else None,
        verdicts=Path(snakemake.input.verdicts[0]) if snakemake.input.verdicts else None,
        output={name: Path(path) for name, path in snakemake.output.items()},
        job=job,
    )
