# Tables, overlays and the page.

DETECTOR_NAMES = list(dict.fromkeys(name for each in PLAN.collections.values() for name in each.detectors))


rule overlays:
    input:
        maps=f"{DETECTOR}/maps/{{shard}}.zarr",
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
        name=lambda wildcards: of_detector(wildcards).name,
    script:
        "../scripts/overlays.py"


rule tables:
    input:
        **{f"scores_{name}": everywhere(f"{DETECTOR}/scores/{{shard}}.json", detector=name) for name in DETECTOR_NAMES},
        manifests=everywhere(f"{SHARD}/images.parquet"),
        truths=everywhere(f"{SHARD}/truth.json"),
        regions=everywhere(f"{DETECTOR}/regions/{{shard}}.parquet"),
        clusters=everywhere(f"{DETECTOR}/clusters.parquet"),
        metrics=everywhere(f"{DETECTOR}/metrics.parquet"),
        records=[
            *everywhere(f"{SHARD}/manifest.run.json"),
            *everywhere(f"{SHARD}/truth.run.json"),
            *everywhere(f"{FEATURES}/{{shard}}.run.json"),
            *everywhere(f"{DETECTOR}/maps/{{shard}}.run.json"),
            *everywhere(f"{DETECTOR}/threshold.run.json"),
            *everywhere(f"{DETECTOR}/descriptors/{{shard}}.run.json"),
            *everywhere(f"{DETECTOR}/clusters.run.json"),
            *everywhere(f"{DETECTOR}/metrics.run.json"),
        ],
    output:
        **{table: f"{RESULTS}/tables/{table}.parquet" for table in TABLES},
    log:
        f"{LOGS}/tables.log",
    conda:
        "../../envs/cpu.yaml"
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
        summaries=everywhere(f"{DETECTOR}/clusters.json"),
    output:
        page=f"{RESULTS}/index.html",
        legends=everywhere(f"{DETECTOR}/colour_bar.png"),
        run=f"{RESULTS}/page.run.json",
    log:
        f"{LOGS}/page.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        collections=[
            {
                "name": name,
                "path": str(each.settings.path or f"demo, cut from {each.settings.texture}"),
                "extractor": each.settings.features.extractor,
                "weights": each.weights,
                "detectors": [
                    {
                        "name": detector.name,
                        "settings": ", ".join(
                            f"{key} {value}" for key, value in detector.settings.items() if value is not None
                        ),
                        "folder": f"{RESULTS}/{name}/detectors/{detector.folder}",
                    }
                    for detector in each.detectors.values()
                ],
            }
            for name, each in PLAN.collections.items()
        ],
    script:
        "../scripts/page.py"
