# What a detector learns from a collection, its anomaly maps, and their threshold.


rule fit:
    input:
        features=each_learned_shard(PATHS.features),
    output:
        model=PATHS.model,
        summary=PATHS.model_summary,
        run=PATHS.model_record,
    log:
        PATHS.model_log,
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=growing(8000),
        runtime=growing(240),
        dask=dask_of_the_run,
        gpu=gpus_asked_for,
        gres=gres_asked_for,
    params:
        config=config_of,
        name=lambda wildcards: of_detector(wildcards).name,
        method=lambda wildcards: of_detector(wildcards).method,
        settings=lambda wildcards: of_detector(wildcards).settings,
        layers=lambda wildcards: list(of_detector(wildcards).layers),
        device=lambda wildcards: of_collection(wildcards).settings.features.device,
        checkpoints=PATHS.model_checkpoints,
    script:
        "../scripts/fit.py"


rule detect:
    input:
        unpack(what_is_searched),
    output:
        maps=PATHS.maps,
        run=PATHS.maps_record,
    log:
        PATHS.maps_log,
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
        gpu=gpus_asked_for,
        gres=gres_asked_for,
    params:
        config=config_of,
        name=lambda wildcards: of_detector(wildcards).name,
        method=lambda wildcards: of_detector(wildcards).method,
        settings=lambda wildcards: of_detector(wildcards).settings,
        layers=lambda wildcards: list(of_detector(wildcards).layers),
        device=lambda wildcards: of_collection(wildcards).settings.features.device,
    script:
        "../scripts/detect.py"


rule threshold:
    input:
        maps=each_shard(PATHS.maps),
    output:
        threshold=PATHS.threshold,
        run=PATHS.threshold_record,
    log:
        PATHS.threshold_log,
    wildcard_constraints:
        collection=one_of(KNOWN),
    conda:
        "../../envs/cpu.yaml"
    threads: threads_of_shards
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        dask=dask_of_the_run,
    params:
        config=config_of,
        name=lambda wildcards: of_detector(wildcards).name,
        settings=lambda wildcards: of_collection(wildcards).settings.threshold.model_dump(),
        judged=judged_for_threshold,
        seed=0,
    script:
        "../scripts/threshold.py"


rule known_threshold:
    input:
        threshold=of_known(PATHS.threshold),
    output:
        threshold=PATHS.threshold,
        run=PATHS.threshold_record,
    log:
        PATHS.threshold_log,
    wildcard_constraints:
        collection=one_of(NEW),
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        name=lambda wildcards: of_detector(wildcards).name,
        known=lambda wildcards: of_collection(wildcards).known,
    script:
        "../scripts/known_threshold.py"
