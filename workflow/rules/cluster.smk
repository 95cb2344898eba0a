# Images to kinds of anomaly.


rule cluster:
    input:
        descriptors=each_shard(f"{DETECTOR}/descriptors/{{shard}}.npz"),
    output:
        clusters=f"{DETECTOR}/clusters.parquet",
        summary=f"{DETECTOR}/clusters.json",
        run=f"{DETECTOR}/clusters.run.json",
    log:
        f"{LOGS}/{{collection}}/{{detector}}/cluster.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        name=lambda wildcards: of_detector(wildcards).name,
        clusters=lambda wildcards: of_collection(wildcards).settings.clusters,
    script:
        "../scripts/cluster.py"
