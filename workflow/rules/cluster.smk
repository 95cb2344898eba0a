# Images and regions to kinds of anomaly, found or known.


rule cluster:
    input:
        descriptors=each_shard(f"{KINDS}/descriptors/{{shard}}.npz"),
        regions=each_shard(f"{KINDS}/regions/{{shard}}.parquet"),
        scores=each_shard(f"{KINDS}/scores/{{shard}}.json"),
        truths=true_labels,
    output:
        clusters=f"{KINDS}/clusters.parquet",
        regions=f"{KINDS}/regions.parquet",
        kinds=f"{KINDS}/kinds.npz",
        summary=f"{KINDS}/clusters.json",
        run=f"{KINDS}/clusters.run.json",
    log:
        f"{LOGS}/{{collection}}/{{detector}}/{{kinds}}/cluster.log",
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
        descriptors=each_shard(f"{KINDS}/descriptors/{{shard}}.npz"),
        regions=each_shard(f"{KINDS}/regions/{{shard}}.parquet"),
        kinds=of_known(f"{KINDS}/kinds.npz"),
        names=names_of_clusters,
    output:
        clusters=f"{KINDS}/clusters.parquet",
        regions=f"{KINDS}/regions.parquet",
        summary=f"{KINDS}/clusters.json",
        run=f"{KINDS}/clusters.run.json",
    log:
        f"{LOGS}/{{collection}}/{{detector}}/{{kinds}}/assign.log",
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
