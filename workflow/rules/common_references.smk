# What detectors learn from: normal images, or a collection itself. Nothing here computes.
from firstsight.plan.groups import learned_collections


def each_learned_shard(pattern):
    """Input function: the pattern (it holds {shard}) for every shard that the wildcards' detector learns from."""

    def files(wildcards):
        own, detector = of_collection(wildcards), of_detector(wildcards)
        groups = PLAN.groups.values() if PLAN.config.clustering.learn_across else ()
        return [
            of_these(pattern, wildcards, collection=name, shard=shard)
            for name in learned_collections(own.name, detector, groups, PLAN.collections)
            for shard in PLAN.collections.get(name, own).learned_shards(detector)
        ]

    return files


def each_normal_shard(pattern):
    """Input function: the pattern (it holds {shard}) for every shard of normal images of the wildcards' collection."""
    return each_shard(pattern, lambda wildcards: of_collection(wildcards).normal_shards)


def tuned_weights(wildcards):
    """The tuned weights that the wildcards' features are computed with, where an extractor is tuned first."""
    if of_collection(wildcards).tuning_of(wildcards.features) is None:
        return []
    return of_known_features(PATHS.tuned)(wildcards)
