# What the studies need of every detector's maps: on the collections, and on degraded copies of them.


rule compare_maps:
    input:
        maps=lambda wildcards: [store for stores in compared_maps(wildcards).values() for store in stores],
        manifests=each_shard(f"{SHARD}/images.parquet"),
        truths=each_shard(f"{SHARD}/truth.json"),
    output:
        metrics=f"{RESULTS}/{{collection}}/comparison/localization.parquet",
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
        maps=compared_maps,
    script:
        "../scripts/compare_maps.py"


rule disagreement:
    input:
        pairs=expand(f"{RESULTS}/{{collection}}/comparison/disagreement.parquet", collection=list(PLAN.collections)),
    output:
        table=f"{RESULTS}/tables/disagreement.parquet",
        markdown=f"{RESULTS}/tables/disagreement.md",
        run=f"{RESULTS}/tables/.disagreement.run.json",
    log:
        f"{LOGS}/disagreement.log",
    conda:
        "../../envs/cpu.yaml"
    script:
        "../scripts/disagreement.py"


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


rule curves:
    input:
        rows=of_study("robustness", "files"),
    output:
        curves=f"{RESULTS}/{{collection}}/robustness/curves.png",
        run=f"{RESULTS}/{{collection}}/robustness/curves.run.json",
    log:
        f"{LOGS}/{{collection}}/curves.log",
    wildcard_constraints:
        collection=one_of(KNOWN),
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        rows=of_study("robustness", "rows"),
    script:
        "../scripts/curves.py"
