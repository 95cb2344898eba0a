# What the studies compare. Nothing here computes.


def ablation_rows():
    """What each method of the ablation leaves on each collection, with and without the contrastive head."""
    rows = []
    for name in KNOWN:
        collection = PLAN.collections[name]
        for detector in collection.studies["ablation"].detectors.values():
            for kinds in (PLAIN, CONTRASTIVE):
                folder = f"{RESULTS}/{name}/detectors/{detector.folder}"
                jobs = jobs_of_maps(collection, detector)
                jobs += [f"{folder}/threshold.run.json", f"{folder}/{kinds}/clusters.run.json"]
                jobs += [f"{folder}/{CONTRASTIVE}/head.run.json"] if kinds == CONTRASTIVE else []
                jobs += [f"{folder}/{kinds}/descriptors/{shard}.run.json" for shard in collection.shards]
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


def ablation_files(key):
    """Input function: the files that the rows of the ablation name."""
    return lambda wildcards: [row[key] for row in ablation_rows()]


def jobs_of_maps(collection, detector):
    """Records of the jobs that made a detector's maps of a collection, features and fit among them."""
    folder = f"{RESULTS}/{collection.name}/detectors/{detector.folder}"
    features = f"{RESULTS}/{collection.name}/features/{detector.features}"
    jobs = [f"{RESULTS}/{collection.known}/detectors/{detector.folder}/model.run.json"] if detector.learns else []
    jobs += [] if detector.reads_image else [f"{features}/{shard}.run.json" for shard in collection.shards]
    return jobs + [f"{folder}/maps/{shard}.run.json" for shard in collection.shards]


def reference_rows():
    """What each method that learns from normal images leaves on each collection that has some."""
    rows = []
    for name in KNOWN:
        collection = PLAN.collections[name]
        for detector in collection.studies["reference_table"].detectors.values():
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
