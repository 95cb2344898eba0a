# Regions, scores and descriptors; and the head that makes features for contrastive ones.


rule describe:
    input:
        maps=f"{DETECTOR}/maps/{{shard}}.zarr.zip",
        features=of_features("{shard}.zarr.zip"),
        threshold=f"{DETECTOR}/threshold.json",
        head=fitted_head,
    output:
        regions=f"{KINDS}/regions/{{shard}}.parquet",
        scores=f"{KINDS}/scores/{{shard}}.json",
        descriptors=f"{KINDS}/descriptors/{{shard}}.npz",
        run=f"{KINDS}/descriptors/{{shard}}.run.json",
    log:
        f"{LOGS}/{{collection}}/{{detector}}/{{kinds}}/describe/{{shard}}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        name=lambda wildcards: of_detector(wildcards).name,
        layers=lambda wildcards: list(of_detector(wildcards).layers),
    script:
        "../scripts/describe.py"


rule head:
    input:
        maps=each_shard(f"{DETECTOR}/maps/{{shard}}.zarr.zip"),
        features=each_shard(f"{FEATURES}/{{shard}}.zarr.zip"),
        threshold=f"{DETECTOR}/threshold.json",
        descriptors=each_shard(f"{DETECTOR}/{PLAIN}/descriptors/{{shard}}.npz"),
    output:
        head=f"{DETECTOR}/{CONTRASTIVE}/head.pt",
        run=f"{DETECTOR}/{CONTRASTIVE}/head.run.json",
    log:
        f"{LOGS}/{{collection}}/{{detector}}/{CONTRASTIVE}/head.log",
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu=gpus_asked_for,
        gres=gres_asked_for,
    params:
        config=config_of,
        name=lambda wildcards: of_detector(wildcards).name,
        layers=lambda wildcards: list(of_detector(wildcards).layers),
        device=lambda wildcards: of_collection(wildcards).settings.features.device,
    script:
        "../scripts/head.py"
