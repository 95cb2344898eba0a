# What the comparisons of all detectors read. Nothing here computes.
from functools import cache

from firstsight.plan.degraded import degradation_of, originals, plan_degraded


def compared(collection):
    """The detectors that are compared on a collection; on a degraded copy those of its original."""
    is_copy = collection.name in degraded_collections()
    return (collection.own if is_copy else collection.studies["compare"]).detectors


def maps_of(collection):
    """Stores of maps of all shards, by detector of the comparison."""
    folder = f"{RESULTS}/{collection.name}/detectors"
    return {
        name: [f"{folder}/{detector.folder}/maps/{shard}.zarr.zip" for shard in collection.shards]
        for name, detector in compared(collection).items()
    }


def records_of(collection):
    """Records of the jobs that made these maps, by detector."""
    return {name: jobs_of_maps(collection, detector) for name, detector in compared(collection).items()}


def all_of(by_detector):
    """Input function: the files of all detectors of the comparison, on the wildcards' collection."""
    return lambda wildcards: [path for each in by_detector(of_collection(wildcards)).values() for path in each]


def set_aside_in_comparison(wildcards):
    """One line for each detector that cannot be compared."""
    return [
        f"collections.{name}.{why}"
        for name, collection in PLAN.collections.items()
        for why in collection.studies["compare"].set_aside.values()
    ]


@cache
def degraded_collections():
    """Degraded copies of all collections with masks, by name."""
    return plan_degraded(PLAN)


def copies_of(wildcards):
    """The degraded copies of the wildcards' collection."""
    return [each for each in degraded_collections().values() if each.known == wildcards.collection]


def images_of_original(wildcards):
    """A demo collection's images must be made before they can be degraded."""
    known = of_collection(wildcards).known
    return f"{RESULTS}/{known}/images" if PLAN.collections[known].made_by_the_run else []


def originals_of_copy(wildcards):
    """The images that a degraded copy is made from."""
    copy = of_collection(wildcards)
    return originals(PLAN.collections[copy.known], copy)


def variants(wildcards):
    """Degradation, level, and the files of every degraded copy of the wildcards' collection."""
    found = []
    for copy in copies_of(wildcards):
        shards = f"{RESULTS}/{copy.name}/shards"
        degradation, level = degradation_of(copy.name)
        found.append(
            {
                "degradation": degradation,
                "level": level,
                "manifests": [f"{shards}/{shard}/images.parquet" for shard in copy.shards],
                "truths": [f"{shards}/{shard}/truth.json" for shard in copy.shards],
                "maps": maps_of(copy),
            }
        )
    return found


def files_of_variants(key):
    """Input function: manifests or truths of all degraded copies of the wildcards' collection."""
    return lambda wildcards: [path for variant in variants(wildcards) for path in variant[key]]


def maps_of_variants(wildcards):
    """Maps of all degraded copies of the wildcards' collection."""
    return [path for variant in variants(wildcards) for maps in variant["maps"].values() for path in maps]


def robustness_parts(wildcards):
    """The measured robustness of every collection with masks."""
    measured = dict.fromkeys(copy.known for copy in degraded_collections().values())
    return [f"{RESULTS}/{name}/robustness/metrics.parquet" for name in measured]
