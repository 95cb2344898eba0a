# Images to features, at the scale of their texture, by an extractor as it is or tuned to normal images.


rule scale:
    input:
        manifests=each_shard(PATHS.manifest, all_shards),
    output:
        scale=update(PATHS.scale),
        run=PATHS.scale_record,
    log:
        PATHS.scale_log,
    wildcard_constraints:
        collection=one_of(KNOWN),
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
    params:
        config=config_of,
        settings=lambda wildcards: of_collection(wildcards).settings.features.model_dump(),
        seed=0,
    script:
        "../scripts/scale.py"


rule tune:
    input:
        manifests=each_normal_shard(PATHS.manifest),
        scale=ancient(PATHS.scale),
    output:
        weights=PATHS.tuned,
        run=PATHS.tuned_record,
    log:
        PATHS.tuned_log,
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
        checkpoints=PATHS.tuned_checkpoints,
    script:
        "../scripts/tune.py"


rule features:
    input:
        manifest=PATHS.manifest,
        scale=found_scale,
        tuned=tuned_weights,
    output:
        features=PATHS.features,
        run=PATHS.features_record,
    log:
        PATHS.features_log,
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
