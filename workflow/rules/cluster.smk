# From images and regions to kinds of anomaly: new ones, or those of a known collection.


rule cluster:
    input:
        descriptors=each_shard(PATHS.descriptors),
        regions=each_shard(PATHS.regions_of_shard),
        scores=each_shard(PATHS.scores),
        truths=true_labels,
    output:
        clusters=PATHS.clusters,
        regions=PATHS.regions,
        kinds=PATHS.kinds,
        summary=PATHS.clusters_summary,
        run=PATHS.clusters_record,
    log:
        PATHS.cluster_log,
    wildcard_constraints:
        collection=one_of(KNOWN),
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(120),
    params:
        config=config_of,
        name=lambda wildcards: of_detector(wildcards).name,
        clusters=lambda wildcards: of_collection(wildcards).settings.clustering.clusters,
        oracle=lambda wildcards: of_collection(wildcards).settings.clustering.oracle,
    script:
        "../scripts/cluster.py"


rule assign_kinds:
    input:
        descriptors=each_shard(PATHS.descriptors),
        regions=each_shard(PATHS.regions_of_shard),
        kinds=of_known(PATHS.kinds),
        names=names_of_clusters,
    output:
        clusters=PATHS.clusters,
        regions=PATHS.regions,
        summary=PATHS.clusters_summary,
        run=PATHS.clusters_record,
    log:
        PATHS.assign_log,
    wildcard_constraints:
        collection=one_of(NEW),
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        config=config_of,
        name=lambda wildcards: of_detector(wildcards).name,
    script:
        "../scripts/assign.py"
