# Images to features, by an extractor as it is or tuned to normal images.


rule tune:
    input:
        manifests=each_normal_shard(f"{SHARD}/images.parquet"),
    output:
        weights=f"{FEATURES}/tuned.pt",
        run=f"{FEATURES}/tuned.run.json",
    log:
        f"{LOGS}/{{collection}}/{{features}}/tune.log",
    wildcard_constraints:
        collection=one_of(KNOWN),
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=growing(8000),
        runtime=growing(240),
        gpu=gpus_asked_for,
        gres=gres_asked_for,
    params:
        config=config_of,
        settings=lambda wildcards: of_collection(wildcards).settings.features.model_dump(),
        tuning=lambda wildcards: of_collection(wildcards).tuning_of(wildcards.features),
        checkpoints=f"{FEATURES}/tuning",
    script:
        "../scripts/tune.py"


rule features:
    input:
        manifest=f"{SHARD}/images.parquet",
        tuned=tuned_weights,
    output:
        features=f"{FEATURES}/{{shard}}.zarr.zip",
        run=f"{FEATURES}/{{shard}}.run.json",
    log:
        f"{LOGS}/{{collection}}/{{features}}/{{shard}}.log",
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=gpus_asked_for,
        gres=gres_asked_for,
    params:
        config=config_of,
        settings=lambda wildcards: of_collection(wildcards).settings.features.model_dump(),
        layers=lambda wildcards: list(of_collection(wildcards).layers_of(wildcards.features)),
    script:
        "../scripts/features.py"
