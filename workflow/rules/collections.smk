# Which images there are, and whether they can be used.


rule demo_collection:
    output:
        images=directory(f"{RESULTS}/{{collection}}/images"),
        run=f"{RESULTS}/{{collection}}/demo.run.json",
    log:
        f"{LOGS}/{{collection}}/demo.log",
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
        manifest=f"{SHARD}/images.parquet",
        members=f"{SHARD}/members.json",
        run=f"{SHARD}/manifest.run.json",
    log:
        f"{LOGS}/{{collection}}/manifest/{{shard}}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        files=lambda wildcards: of_collection(wildcards).shard_files(wildcards.shard),
    script:
        "../scripts/manifest.py"


rule truth:
    input:
        manifest=f"{SHARD}/images.parquet",
    output:
        truth=f"{SHARD}/truth.json",
        run=f"{SHARD}/truth.run.json",
    log:
        f"{LOGS}/{{collection}}/truth/{{shard}}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        rows=lambda wildcards: of_collection(wildcards).shard_truth(wildcards.shard),
    script:
        "../scripts/truth.py"
