# Regions, scores and descriptors; and the head that makes features for contrastive ones.


rule describe:
    input:
        maps=PATHS.maps,
        features=of_features(PATHS.features),
        threshold=PATHS.threshold,
        head=fitted_head,
    output:
        regions=PATHS.regions_of_shard,
        scores=PATHS.scores,
        descriptors=PATHS.descriptors,
        run=PATHS.descriptors_record,
    log:
        PATHS.descriptors_log,
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
        maps=each_shard(PATHS.maps),
        features=each_shard(PATHS.features),
        threshold=PATHS.threshold,
        descriptors=each_shard(PATHS.plain_descriptors),
    output:
        head=PATHS.head,
        run=PATHS.head_record,
    log:
        PATHS.head_log,
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
