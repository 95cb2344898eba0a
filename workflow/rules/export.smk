# What was found, in the formats of other programs.


localrules:
    export,


rule export:
    input:
        [folder for format in PLAN.config.export.formats for folder in everywhere(f"{EXPORTED}/{format}")],


rule export_collection:
    input:
        maps=each_shard(f"{DETECTOR}/maps/{{shard}}.zarr.zip"),
        threshold=f"{DETECTOR}/threshold.json",
        regions=of_kinds("regions.parquet"),
        clusters=of_kinds("clusters.parquet"),
        names=names_of_clusters,
    output:
        folder=directory(f"{EXPORTED}/{{format}}"),
        run=f"{EXPORTED}/{{format}}.run.json",
    log:
        f"{LOGS}/{{collection}}/{{detector}}/export/{{format}}.log",
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        config=config_of,
        name=lambda wildcards: of_detector(wildcards).name,
        method=lambda wildcards: of_detector(wildcards).method,
        settings=lambda wildcards: of_detector(wildcards).settings,
        fingerprint=lambda wildcards: of_detector(wildcards).fingerprint,
    script:
        "../scripts/export.py"
