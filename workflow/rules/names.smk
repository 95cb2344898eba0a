# Names that a person gives to clusters.


# Without an output, since a person edits the file: Snakemake removes outputs before it makes them again.
rule name_clusters:
    input:
        clusters=PATHS.table.format(table="clusters"),
        groups=PATHS.table.format(table="group_clusters") if PLAN.groups else [],
    log:
        PATHS.names_log,
    conda:
        "../../envs/cpu.yaml"
    params:
        names=PLAN.config.names.as_posix() if PLAN.config.names else PATHS.names,
        record=PATHS.names_record,
    script:
        "../scripts/name_clusters.py"
