# Tables, overlays and the page.


rule overlays:
    input:
        maps=PATHS.maps,
        manifest=PATHS.manifest,
        truth=PATHS.truth,
        threshold=PATHS.threshold,
    output:
        overlays=directory(PATHS.overlays),
        run=PATHS.overlays_record,
    log:
        PATHS.overlays_log,
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        name=lambda wildcards: of_detector(wildcards).name,
    script:
        "../scripts/overlays.py"


rule charts:
    input:
        descriptors=each_shard(PATHS.descriptors),
        clusters=PATHS.clusters,
    output:
        charts=PATHS.charts,
        run=PATHS.charts_record,
    log:
        PATHS.charts_log,
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        name=lambda wildcards: of_detector(wildcards).name,
    script:
        "../scripts/charts.py"


rule tables:
    input:
        images=[path for parts in parts_of_images(PLAN, PATHS) for path in parts.files],
        regions=everywhere(PLAN, PATHS.regions),
        clusters=everywhere(PLAN, PATHS.clusters),
        metrics=everywhere(PLAN, PATHS.metrics),
        names=names_of_clusters,
        verdicts=verdicts_given,
        records=records(PLAN, PATHS),
    output:
        **{
            table: report(
                PATHS.table.format(table=table),
                caption="../report/tables.rst",
                category="Tables",
                labels={"table": table},
            )
            for table in TABLES
        },
    log:
        PATHS.tables_log,
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        dask=dask_of_the_run,
    params:
        images=parts_of_images(PLAN, PATHS),
        detectors=list(PLAN.detector_names),
        unread=lambda wildcards: rows_of_unread(PLAN),
        record=PATHS.tables_record,
    script:
        "../scripts/tables.py"


rule page:
    input:
        images=PATHS.table.format(table="images"),
        regions=PATHS.table.format(table="regions"),
        clusters=PATHS.table.format(table="clusters"),
        metrics=PATHS.table.format(table="metrics"),
        overlays=everywhere(PLAN, PATHS.overlays),
        thresholds=everywhere(PLAN, PATHS.threshold),
        summaries=everywhere(PLAN, PATHS.clusters_summary),
        charts=everywhere(PLAN, PATHS.charts),
        verdicts=verdicts_given,
    output:
        page=PATHS.page,
        findings=report(PATHS.findings, caption="../report/findings.rst", category="Findings"),
        data=directory(PATHS.page_data),
        legends=everywhere(PLAN, PATHS.colour_bar),
        run=PATHS.page_record,
    log:
        PATHS.page_log,
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        collections=lambda wildcards: collections_of_page(PLAN, PATHS),
        groups=PATHS.group_page if PLAN.groups else "",
        # No output, which Snakemake removes before it makes it again.
        last_run=PATHS.last_run,
    script:
        "../scripts/page.py"
