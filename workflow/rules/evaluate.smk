# Metrics, where there are masks or labels.


rule evaluate:
    input:
        maps=each_shard(f"{DETECTOR}/maps/{{shard}}.zarr.zip"),
        manifests=each_shard(f"{SHARD}/images.parquet"),
        truths=each_shard(f"{SHARD}/truth.json"),
        descriptors=each_shard(f"{KINDS}/descriptors/{{shard}}.npz"),
        clusters=f"{KINDS}/clusters.parquet",
    output:
        metrics=f"{KINDS}/metrics.parquet",
        run=f"{KINDS}/metrics.run.json",
    log:
        f"{LOGS}/{{collection}}/{{detector}}/{{kinds}}/evaluate.log",
    conda:
        "../../envs/cpu.yaml"
    threads: threads_of_shards
    resources:
        mem_mb=growing(8000),
        runtime=growing(120),
        dask=dask_of_the_run,
    params:
        config=config_of,
        name=lambda wildcards: of_detector(wildcards).name,
        fingerprint=lambda wildcards: of_detector(wildcards).fingerprint,
        crop=lambda wildcards: of_collection(wildcards).settings.evaluation.crop,
    script:
        "../scripts/evaluate.py"
