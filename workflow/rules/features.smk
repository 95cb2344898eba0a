# Images to features.


rule features:
    input:
        manifest=f"{SHARD}/images.parquet",
    output:
        features=directory(f"{FEATURES}/{{shard}}.zarr"),
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
        settings=lambda wildcards: asdict(of_collection(wildcards).settings.features),
        layers=lambda wildcards: list(of_collection(wildcards).features[wildcards.features]),
    script:
        "../scripts/features.py"
