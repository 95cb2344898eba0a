# What kinds of anomalies are made from. Nothing here computes.


def fitted_head(wildcards):
    """The head that makes the features for contrastive descriptors; plain ones need none."""
    return [] if wildcards.kinds == PLAIN else of_known(PATHS.head)(wildcards)


def true_labels(wildcards):
    """The labels that give the number of clusters, where the config asks for the true one."""
    return each_shard(PATHS.truth)(wildcards) if of_collection(wildcards).settings.clustering.oracle else []


def names_of_clusters(wildcards):
    """The file of names that a person gave to clusters, where there is one."""
    return [PLAN.config.names.as_posix()] if PLAN.config.names and PLAN.config.names.exists() else []
