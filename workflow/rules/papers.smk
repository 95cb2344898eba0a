# The papers' tables, with what was measured beside their figures.


rule papers:
    input:
        rows=of_papers("files"),
    output:
        table=PATHS.table.format(table="papers"),
        markdown=PATHS.table_page.format(table="papers"),
        run=PATHS.table_record.format(table="papers"),
    log:
        PATHS.table_log.format(table="papers"),
    conda:
        "../../envs/cpu.yaml"
    params:
        rows=of_papers("rows"),
        default_detector=of_papers("default_detector"),
    script:
        "../scripts/papers.py"


rule costs:
    input:
        manifests=each_shard(PATHS.manifest),
        files=lambda wildcards: [file for timed in timed_detectors(wildcards) for file in timed.files],
    output:
        costs=PATHS.costs,
        run=PATHS.costs_record,
    log:
        PATHS.costs_log,
    conda:
        ENVIRONMENT
    resources:
        mem_mb=growing(8000),
        runtime=growing(120),
        gpu=gpus_asked_for,
        gres=gres_asked_for,
    params:
        config=config_of,
        detectors=timed_detectors,
        settings=lambda wildcards: of_collection(wildcards).settings.features.model_dump(),
    script:
        "../scripts/costs.py"
