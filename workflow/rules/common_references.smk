# What detectors learn from: normal images, or a collection itself. Nothing here computes.


def each_learned_shard(pattern):
    """Input function: the pattern (it holds {shard}) for every shard that the wildcards' detector learns from."""
    return each_shard(pattern, lambda wildcards: of_collection(wildcards).learned_shards(of_detector(wildcards)))


def each_normal_shard(pattern):
    """Input function: the pattern (it holds {shard}) for every shard of normal images of the wildcards' collection."""
    return each_shard(pattern, lambda wildcards: of_collection(wildcards).normal_shards)


def tuned_weights(wildcards):
    """The tuned weights that the wildcards' features are computed with, where an extractor is tuned first."""
    if of_collection(wildcards).tuning_of(wildcards.features) is None:
        return []
    return of_known_features(PATHS.tuned)(wildcards)
