# Metrics, where there are masks or labels.


rule evaluate:
    input:
        maps=each_shard(PATHS.maps),
        manifests=each_shard(PATHS.manifest),
        truths=each_shard(PATHS.truth),
        descriptors=each_shard(PATHS.descriptors),
        scores=each_shard(PATHS.scores),
        clusters=PATHS.clusters,
    output:
        metrics=PATHS.metrics,
        run=PATHS.metrics_record,
    log:
        PATHS.metrics_log,
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


rule evaluate_maps:
    input:
        maps=each_shard(PATHS.maps),
        manifests=each_shard(PATHS.manifest),
        truths=each_shard(PATHS.truth),
    output:
        metrics=PATHS.localization,
        run=PATHS.localization_record,
    log:
        PATHS.localization_log,
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
        "../scripts/evaluate_maps.py"
