# Results in the formats of other programs, and to hand on.


localrules:
    export,


rule export:
    input:
        [
            folder
            for format in PLAN.config.export.formats
            for folder in everywhere(PLAN, PATHS.export.replace("{format}", format))
        ],


rule export_collection:
    input:
        maps=each_shard(PATHS.maps),
        manifests=each_shard(PATHS.manifest),
        charts=of_kinds(PATHS.charts),
        threshold=PATHS.threshold,
        regions=of_kinds(PATHS.regions),
        clusters=of_kinds(PATHS.clusters),
        names=names_of_clusters,
        verdicts=verdicts_given,
    output:
        folder=directory(PATHS.export),
        run=PATHS.export_record,
    log:
        PATHS.export_log,
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


rule share:
    input:
        PATHS.page,
        PATHS.findings,
        PATHS.page_data,
        everywhere(PLAN, PATHS.colour_bar),
        everywhere(PLAN, PATHS.overlays),
        [PATHS.group_page] if PLAN.groups else [],
    output:
        archive=PATHS.archive,
        run=PATHS.archive_record,
    log:
        PATHS.archive_log,
    conda:
        "../../envs/cpu.yaml"
    params:
        results=lambda wildcards, output: str(Path(output.archive).parents[1]),
    script:
        "../scripts/share.py"
