# Names that a person gives to clusters.


# Without an output, since a person edits the file: Snakemake removes outputs before it makes them again.
rule name_clusters:
    input:
        clusters=f"{RESULTS}/tables/clusters.parquet",
    log:
        f"{LOGS}/name_clusters.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        names=(PLAN.config.names or PLAN.results / "cluster_names.csv").as_posix(),
        record=f"{RESULTS}/tables/.name_clusters.run.json",
    script:
        "../scripts/name_clusters.py"
