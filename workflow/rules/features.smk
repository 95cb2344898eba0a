# Images to features.


rule features:
    input:
        # A new mask or label makes a new manifest, but no new features: what they depend on is in `images`.
        manifest=ancient(f"{SHARD}/images.parquet"),
    output:
        features=directory(f"{FEATURES}/{{shard}}.zarr"),
        run=f"{FEATURES}/{{shard}}.run.json",
    log:
        f"{LOGS}/{{collection}}/{{features}}/{{shard}}.log",
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=4000,
    params:
        settings=lambda wildcards: asdict(of_collection(wildcards).settings.features),
        images=lambda wildcards: of_collection(wildcards).shard_stamps(wildcards.shard),
        layers=lambda wildcards: list(of_collection(wildcards).layers),
    script:
        "../scripts/features.py"
