# Studies: the same collections by several methods, side by side.


rule ablation:
    input:
        metrics=[row["metrics"] for row in ABLATION_ROWS],
        summaries=[row["summary"] for row in ABLATION_ROWS],
        records=[record for row in ABLATION_ROWS for record in row["records"]],
    output:
        table=f"{RESULTS}/tables/ablation.parquet",
        markdown=f"{RESULTS}/tables/ablation.md",
        run=f"{RESULTS}/tables/.ablation.run.json",
    log:
        f"{LOGS}/ablation.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        rows=ABLATION_ROWS,
    script:
        "../scripts/ablation.py"


rule reference_table:
    input:
        metrics=[row["metrics"] for row in REFERENCE_ROWS],
        features=[record for row in REFERENCE_ROWS for record in row["features"]],
        maps=[record for row in REFERENCE_ROWS for record in row["maps"]],
    output:
        table=f"{RESULTS}/tables/reference_table.parquet",
        markdown=f"{RESULTS}/tables/reference_table.md",
        run=f"{RESULTS}/tables/.reference_table.run.json",
    log:
        f"{LOGS}/reference_table.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        rows=REFERENCE_ROWS,
    script:
        "../scripts/reference_table.py"
