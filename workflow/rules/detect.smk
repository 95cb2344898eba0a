# Features to anomaly maps, a threshold for the collection, regions and descriptors.


rule detect:
    input:
        features=features_of("{shard}.zarr"),
    output:
        maps=directory(f"{DETECTOR}/maps/{{shard}}.zarr"),
        run=f"{DETECTOR}/maps/{{shard}}.run.json",
    log:
        f"{LOGS}/{{collection}}/{{detector}}/detect/{{shard}}.log",
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=4000,
    params:
        name=lambda wildcards: of_detector(wildcards).name,
        method=lambda wildcards: of_detector(wildcards).method,
        settings=lambda wildcards: of_detector(wildcards).settings,
        layers=lambda wildcards: list(of_detector(wildcards).layers),
        device=lambda wildcards: of_collection(wildcards).settings.features.device,
    script:
        "../scripts/detect.py"


rule threshold:
    input:
        maps=each_shard(f"{DETECTOR}/maps/{{shard}}.zarr"),
    output:
        threshold=f"{DETECTOR}/threshold.json",
        run=f"{DETECTOR}/threshold.run.json",
    log:
        f"{LOGS}/{{collection}}/{{detector}}/threshold.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        name=lambda wildcards: of_detector(wildcards).name,
        seed=0,
    script:
        "../scripts/threshold.py"


rule describe:
    input:
        maps=f"{DETECTOR}/maps/{{shard}}.zarr",
        features=features_of("{shard}.zarr"),
        threshold=f"{DETECTOR}/threshold.json",
    output:
        regions=f"{DETECTOR}/regions/{{shard}}.parquet",
        scores=f"{DETECTOR}/scores/{{shard}}.json",
        descriptors=f"{DETECTOR}/descriptors/{{shard}}.npz",
        run=f"{DETECTOR}/descriptors/{{shard}}.run.json",
    log:
        f"{LOGS}/{{collection}}/{{detector}}/describe/{{shard}}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        name=lambda wildcards: of_detector(wildcards).name,
        layers=lambda wildcards: list(of_detector(wildcards).layers),
    script:
        "../scripts/describe.py"
