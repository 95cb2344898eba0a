# What the studies compare. Nothing here computes.


def ablation_rows():
    """What each method of the ablation leaves on each collection, with and without the contrastive head."""
    rows = []
    for name, collection in PLAN.collections.items():
        if name in NEW:
            continue
        for detector in collection.studies["ablation"].values():
            for kinds in (PLAIN, CONTRASTIVE):
                folder = f"{RESULTS}/{name}/detectors/{detector.folder}"
                features = f"{RESULTS}/{name}/features/{detector.features}"
                jobs = [
                    f"{folder}/model.run.json",
                    f"{folder}/threshold.run.json",
                    f"{folder}/{kinds}/clusters.run.json",
                ]
                jobs += [f"{folder}/{CONTRASTIVE}/head.run.json"] if kinds == CONTRASTIVE else []
                for shard in collection.shards:
                    jobs += [f"{features}/{shard}.run.json", f"{folder}/maps/{shard}.run.json"]
                    jobs += [f"{folder}/{kinds}/descriptors/{shard}.run.json"]
                rows.append(
                    {
                        "collection": name,
                        "method": detector.name,
                        "contrastive": kinds == CONTRASTIVE,
                        "metrics": f"{folder}/{kinds}/metrics.parquet",
                        "summary": f"{folder}/{kinds}/clusters.json",
                        "records": jobs,
                    }
                )
    return rows


ABLATION_ROWS = ablation_rows()


def reference_rows():
    """What each method that learns from normal images leaves on each collection that has some."""
    rows = []
    for name, collection in PLAN.collections.items():
        if name in NEW:
            continue
        for detector in collection.studies["reference_table"].values():
            folder = f"{RESULTS}/{name}/detectors/{detector.folder}"
            features = f"{RESULTS}/{name}/features/{detector.features}"
            rows.append(
                {
                    "collection": name,
                    "method": detector.method,
                    "sbm": detector.settings["sbm"],
                    "pfam": detector.settings["pfam"],
                    "metrics": f"{folder}/{PLAIN}/metrics.parquet",
                    "features": [f"{features}/{shard}.run.json" for shard in collection.shards],
                    "maps": [f"{folder}/maps/{shard}.run.json" for shard in collection.shards],
                }
            )
    return rows


REFERENCE_ROWS = reference_rows()
