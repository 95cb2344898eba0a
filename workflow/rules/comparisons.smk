# The maps of all detectors compared, on collections and on degraded copies of them.


rule compare_maps:
    input:
        maps=lambda wildcards: [store for stores in compared_maps(wildcards).values() for store in stores],
        manifests=each_shard(PATHS.manifest),
        truths=each_shard(PATHS.truth),
    output:
        metrics=PATHS.comparison,
        pairs=PATHS.disagreement,
        picture=PATHS.disagreement_picture,
        run=PATHS.comparison_record,
    log:
        PATHS.comparison_log,
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(240),
        dask=dask_of_the_run,
    params:
        config=config_of,
        maps=compared_maps,
    script:
        "../scripts/compare_maps.py"


rule disagreement:
    input:
        pairs=[PATHS.disagreement.format(collection=name) for name in PLAN.collections],
    output:
        table=PATHS.table.format(table="disagreement"),
        markdown=PATHS.table_page.format(table="disagreement"),
        run=PATHS.table_record.format(table="disagreement"),
    log:
        PATHS.table_log.format(table="disagreement"),
    conda:
        "../../envs/cpu.yaml"
    script:
        "../scripts/disagreement.py"


rule degrade:
    input:
        images=images_of_original,
    output:
        images=directory(PATHS.images),
        run=PATHS.degraded_record,
    log:
        PATHS.degraded_log,
    wildcard_constraints:
        collection=f"{COLLECTION}/robustness/[a-z]+-[0-9]+",
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        images=originals_of_copy,
        sample=value_sample,
        values=of_known(PATHS.values),
        given_values=lambda wildcards: PLAN.collections[of_collection(wildcards).known].given_values,
        seed=0,
    script:
        "../scripts/degrade.py"


rule curves:
    input:
        rows=of_study("robustness", "files"),
    output:
        curves=PATHS.curves,
        run=PATHS.curves_record,
    log:
        PATHS.curves_log,
    wildcard_constraints:
        collection=one_of(KNOWN),
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        rows=of_study("robustness", "rows"),
    script:
        "../scripts/curves.py"
