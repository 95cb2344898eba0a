# Tables, overlays and the page.


rule overlays:
    input:
        maps=f"{DETECTOR}/maps/{{shard}}.zarr.zip",
        manifest=f"{SHARD}/images.parquet",
        truth=f"{SHARD}/truth.json",
        threshold=f"{DETECTOR}/threshold.json",
    output:
        overlays=directory(f"{DETECTOR}/overlays/{{shard}}"),
        run=f"{DETECTOR}/overlays/{{shard}}.run.json",
    log:
        f"{LOGS}/{{collection}}/{{detector}}/overlays/{{shard}}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        name=lambda wildcards: of_detector(wildcards).name,
    script:
        "../scripts/overlays.py"


rule charts:
    input:
        descriptors=each_shard(f"{KINDS}/descriptors/{{shard}}.npz"),
        clusters=f"{KINDS}/clusters.parquet",
    output:
        charts=f"{KINDS}/charts.json",
        run=f"{KINDS}/charts.run.json",
    log:
        f"{LOGS}/{{collection}}/{{detector}}/{{kinds}}/charts.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        config=config_of,
        name=lambda wildcards: of_detector(wildcards).name,
    script:
        "../scripts/charts.py"


rule tables:
    input:
        **{f"scores_{name}": everywhere(f"{KINDS}/scores/{{shard}}.json", detector=name) for name in DETECTOR_NAMES},
        manifests=everywhere(f"{SHARD}/images.parquet"),
        truths=everywhere(f"{SHARD}/truth.json"),
        regions=everywhere(f"{KINDS}/regions.parquet"),
        clusters=everywhere(f"{KINDS}/clusters.parquet"),
        metrics=everywhere(f"{KINDS}/metrics.parquet"),
        names=names_of_clusters,
        records=[
            *everywhere(f"{SHARD}/manifest.run.json"),
            *everywhere(f"{SHARD}/truth.run.json"),
            *everywhere(f"{FEATURES}/{{shard}}.run.json"),
            *everywhere(
                f"{FEATURES}/tuned.run.json",
                only=lambda collection, detector: collection.tuning_of(detector.features) and not collection.is_new,
            ),
            *of_references(f"{SHARD}/manifest.run.json"),
            *of_references(f"{FEATURES}/{{shard}}.run.json"),
            *everywhere(
                f"{DETECTOR}/model.run.json",
                only=lambda collection, detector: detector.learns and not collection.is_new,
            ),
            *everywhere(
                f"{DETECTOR}/{CONTRASTIVE}/head.run.json",
                only=lambda collection, detector: collection.settings.clustering.contrastive and not collection.is_new,
            ),
            *everywhere(f"{DETECTOR}/maps/{{shard}}.run.json"),
            *everywhere(f"{DETECTOR}/threshold.run.json"),
            *everywhere(f"{KINDS}/descriptors/{{shard}}.run.json"),
            *everywhere(f"{KINDS}/clusters.run.json"),
            *everywhere(f"{KINDS}/metrics.run.json"),
        ],
    output:
        **{
            table: report(
                f"{RESULTS}/tables/{table}.parquet",
                caption="../report/tables.rst",
                category="Tables",
                labels={"table": table},
            )
            for table in TABLES
        },
    log:
        f"{LOGS}/tables.log",
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        dask=dask_of_the_run,
    params:
        detectors=DETECTOR_NAMES,
        record=f"{RESULTS}/tables/.tables.run.json",
    script:
        "../scripts/tables.py"


rule page:
    input:
        images=f"{RESULTS}/tables/images.parquet",
        regions=f"{RESULTS}/tables/regions.parquet",
        clusters=f"{RESULTS}/tables/clusters.parquet",
        metrics=f"{RESULTS}/tables/metrics.parquet",
        overlays=everywhere(f"{DETECTOR}/overlays/{{shard}}"),
        thresholds=everywhere(f"{DETECTOR}/threshold.json"),
        summaries=everywhere(f"{KINDS}/clusters.json"),
        charts=everywhere(f"{KINDS}/charts.json"),
    output:
        page=report(f"{RESULTS}/reports/index.html", caption="../report/page.rst", category="Page"),
        data=directory(f"{RESULTS}/reports/data"),
        legends=everywhere(f"{DETECTOR}/colour_bar.png"),
        run=f"{RESULTS}/reports/page.run.json",
    log:
        f"{LOGS}/page.log",
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        collections=[
            {
                "name": name,
                "path": str(each.settings.path or f"demo, cut from {each.settings.texture}"),
                "extractor": each.settings.features.extractor,
                "weights": each.weights,
                "set_aside": list(each.own.set_aside.values()),
                "detectors": [
                    {
                        "name": detector.name,
                        "settings": ", ".join(
                            f"{key} {value}" for key, value in detector.settings.items() if value is not None
                        ),
                        "folder": f"{RESULTS}/{name}/detectors/{detector.folder}",
                        "kinds": kinds_of(each),
                        "model": (
                            f"{RESULTS}/{each.known}/detectors/{detector.folder}/model.json"
                            if detector.learns
                            else None
                        ),
                    }
                    for detector in each.detectors.values()
                ],
            }
            for name, each in PLAN.collections.items()
        ],
    script:
        "../scripts/page.py"
