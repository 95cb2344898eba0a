# Every detector side by side: on the collections, and on degraded copies of them.


rule compare_collection:
    input:
        maps=all_of(maps_of),
        records=all_of(records_of),
        manifests=each_shard(f"{SHARD}/images.parquet"),
        truths=each_shard(f"{SHARD}/truth.json"),
    output:
        metrics=f"{RESULTS}/{{collection}}/comparison/metrics.parquet",
        pairs=f"{RESULTS}/{{collection}}/comparison/disagreement.parquet",
        picture=f"{RESULTS}/{{collection}}/comparison/disagreement.png",
        run=f"{RESULTS}/{{collection}}/comparison/comparison.run.json",
    log:
        f"{LOGS}/{{collection}}/comparison.log",
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(240),
        dask=dask_of_the_run,
    params:
        config=config_of,
        maps=lambda wildcards: maps_of(of_collection(wildcards)),
        records=lambda wildcards: records_of(of_collection(wildcards)),
    script:
        "../scripts/compare_collection.py"


rule compare:
    input:
        metrics=expand(f"{RESULTS}/{{collection}}/comparison/metrics.parquet", collection=list(PLAN.collections)),
        pairs=expand(f"{RESULTS}/{{collection}}/comparison/disagreement.parquet", collection=list(PLAN.collections)),
    output:
        table=f"{RESULTS}/tables/comparison.parquet",
        disagreement=f"{RESULTS}/tables/disagreement.parquet",
        markdown=f"{RESULTS}/tables/comparison.md",
        run=f"{RESULTS}/tables/.comparison.run.json",
    log:
        f"{LOGS}/comparison.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        set_aside=set_aside_in_comparison,
    script:
        "../scripts/compare.py"


rule degrade:
    input:
        images=images_of_original,
    output:
        images=directory(f"{RESULTS}/{{collection}}/images"),
        run=f"{RESULTS}/{{collection}}/degrade.run.json",
    log:
        f"{LOGS}/{{collection}}/degrade.log",
    wildcard_constraints:
        collection=f"{COLLECTION}/robustness/[a-z]+-[0-9]+",
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        images=originals_of_copy,
        seed=0,
    script:
        "../scripts/degrade.py"


rule robustness_of_collection:
    input:
        maps=maps_of_variants,
        manifests=files_of_variants("manifests"),
        truths=files_of_variants("truths"),
    output:
        metrics=f"{RESULTS}/{{collection}}/robustness/metrics.parquet",
        curves=f"{RESULTS}/{{collection}}/robustness/curves.png",
        run=f"{RESULTS}/{{collection}}/robustness/robustness.run.json",
    log:
        f"{LOGS}/{{collection}}/robustness.log",
    wildcard_constraints:
        collection=one_of(KNOWN),
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(240),
        dask=dask_of_the_run,
    params:
        config=config_of,
        variants=variants,
    script:
        "../scripts/robustness_of_collection.py"


rule robustness:
    input:
        parts=robustness_parts,
    output:
        table=f"{RESULTS}/tables/robustness.parquet",
        markdown=f"{RESULTS}/tables/robustness.md",
        run=f"{RESULTS}/tables/.robustness.run.json",
    log:
        f"{LOGS}/robustness.log",
    conda:
        "../../envs/cpu.yaml"
    script:
        "../scripts/robustness.py"
