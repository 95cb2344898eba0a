# Which images there are, and whether they can be used.


rule demo_collection:
    output:
        images=directory(PATHS.images),
        run=PATHS.demo_record,
    log:
        PATHS.demo_log,
    wildcard_constraints:
        collection=COLLECTION,
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        texture=lambda wildcards: of_collection(wildcards).settings.texture,
    script:
        "../scripts/demo_collection.py"


rule manifest:
    input:
        images=made_images,
    output:
        manifest=PATHS.manifest,
        members=PATHS.members,
        contents=PATHS.contents,
        run=PATHS.manifest_record,
    log:
        PATHS.manifest_log,
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        files=lambda wildcards: of_collection(wildcards).shard_files(wildcards.shard),
        given_values=lambda wildcards: of_collection(wildcards).given_values,
        sample=value_sample,
        values=of_known(PATHS.values),
    script:
        "../scripts/manifest.py"


rule truth:
    input:
        manifest=PATHS.manifest,
    output:
        truth=PATHS.truth,
        run=PATHS.truth_record,
    log:
        PATHS.truth_log,
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        rows=lambda wildcards: of_collection(wildcards).shard_truth(wildcards.shard),
        sample=lambda wildcards: of_collection(wildcards).mask_sample,
        positive=lambda wildcards: of_collection(wildcards).settings.mask.positive,
    script:
        "../scripts/truth.py"
