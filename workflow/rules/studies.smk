# Studies: the same collections by several methods, side by side.


rule ablation:
    input:
        metrics=[row["metrics"] for row in ablation_rows()],
        summaries=[row["summary"] for row in ablation_rows()],
        records=[record for row in ablation_rows() for record in row["records"]],
    output:
        table=f"{RESULTS}/tables/ablation.parquet",
        markdown=f"{RESULTS}/tables/ablation.md",
        run=f"{RESULTS}/tables/.ablation.run.json",
    log:
        f"{LOGS}/ablation.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        rows=ablation_rows(),
    script:
        "../scripts/ablation.py"
