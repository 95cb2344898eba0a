# Studies: the same collections by several methods, side by side.


rule ablation:
    input:
        metrics=ablation_files("metrics"),
        summaries=ablation_files("summary"),
        records=lambda wildcards: [path for row in ablation_rows() for path in row["records"]],
    output:
        table=f"{RESULTS}/tables/ablation.parquet",
        markdown=f"{RESULTS}/tables/ablation.md",
        run=f"{RESULTS}/tables/.ablation.run.json",
    log:
        f"{LOGS}/ablation.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        rows=lambda wildcards: ablation_rows(),
    script:
        "../scripts/ablation.py"


rule reference_table:
    input:
        metrics=lambda wildcards: [row["metrics"] for row in reference_rows()],
        features=lambda wildcards: [record for row in reference_rows() for record in row["features"]],
        maps=lambda wildcards: [record for row in reference_rows() for record in row["maps"]],
    output:
        table=f"{RESULTS}/tables/reference_table.parquet",
        markdown=f"{RESULTS}/tables/reference_table.md",
        run=f"{RESULTS}/tables/.reference_table.run.json",
    log:
        f"{LOGS}/reference_table.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        rows=lambda wildcards: reference_rows(),
    script:
        "../scripts/reference_table.py"
