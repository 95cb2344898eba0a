# Metrics, where there are masks or labels.


rule evaluate:
    input:
        maps=each_shard(f"{DETECTOR}/maps/{{shard}}.zarr"),
        manifests=each_shard(f"{SHARD}/images.parquet"),
        truths=each_shard(f"{SHARD}/truth.json"),
        descriptors=each_shard(f"{DETECTOR}/descriptors/{{shard}}.npz"),
        clusters=f"{DETECTOR}/clusters.parquet",
    output:
        metrics=f"{DETECTOR}/metrics.parquet",
        run=f"{DETECTOR}/metrics.run.json",
    log:
        f"{LOGS}/{{collection}}/{{detector}}/evaluate.log",
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=8000,
    params:
        name=lambda wildcards: of_detector(wildcards).name,
        fingerprint=lambda wildcards: of_detector(wildcards).fingerprint,
        crop=lambda wildcards: of_collection(wildcards).settings.crop,
    script:
        "../scripts/evaluate.py"
