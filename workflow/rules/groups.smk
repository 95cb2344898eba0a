# Kinds of anomaly that collections have in common.


rule normal_cells:
    input:
        maps=PATHS.maps,
        features=of_features(PATHS.features),
        scores=lambda wildcards: of_these(PATHS.scores, wildcards, kinds=PLAIN),
    output:
        cells=PATHS.normal_cells,
        run=PATHS.normal_cells_record,
    log:
        PATHS.normal_cells_log,
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        name=lambda wildcards: of_detector(wildcards).name,
        layers=lambda wildcards: list(of_detector(wildcards).layers),
    script:
        "../scripts/normal_cells.py"


rule cluster_group:
    input:
        files_of_group,
    output:
        clusters=PATHS.group_clusters,
        summary=PATHS.group_summary,
        run=PATHS.group_record,
    log:
        PATHS.group_log,
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        name=name_of_detector,
        parts=parts_of,
        textures=PLAN.config.clustering.textures,
    script:
        "../scripts/cluster_group.py"


rule group_tables:
    input:
        clusters=of_groups(PATHS.group_clusters),
        images=PATHS.table.format(table="images"),
        names=names_of_clusters,
        verdicts=verdicts_given,
    output:
        **{table: PATHS.table.format(table=table) for table in GROUP_TABLES},
    log:
        PATHS.group_tables_log,
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        members={name: list(group.collections) for name, group in PLAN.groups.items()},
        record=PATHS.group_tables_record,
    script:
        "../scripts/group_tables.py"


rule group_page:
    input:
        **{
            table: PATHS.table.format(table=table)
            for table in ("images", "regions", *GROUP_TABLES)
        },
        summaries=of_groups(PATHS.group_summary),
        overlays=everywhere(PLAN, PATHS.overlays),
    output:
        page=directory(PATHS.group_page),
        run=PATHS.group_page_record,
    log:
        PATHS.group_page_log,
    conda:
        "../../envs/cpu.yaml"
    params:
        groups=groups_of_page(PLAN.groups.values(), PATHS),
    script:
        "../scripts/group_page.py"
