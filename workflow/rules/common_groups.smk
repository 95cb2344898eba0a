# Groups of collections that have kinds in common. Nothing here computes.
from firstsight.plan.groups import groups_of_page, parts_of_group

GROUP_TABLES = ("group_clusters", "kinds_by_collection", "kinds_by_time", "group_metrics")
GROUP_RESULTS = [*expand(PATHS.table, table=GROUP_TABLES), PATHS.group_page] if PLAN.groups else []


wildcard_constraints:
    group="[A-Za-z0-9_+-]+",


def name_of_detector(wildcards):
    """The name in the config of the detector whose folder a group's wildcards name."""
    folders = PLAN.groups[wildcards.group].detectors
    return next(name for name, folder in folders.items() if folder == wildcards.detector)


def parts_of(wildcards):
    """What the kinds of the wildcards' group are found from, collection by collection."""
    group = PLAN.groups[wildcards.group]
    return parts_of_group(group, PLAN.collections, PATHS, wildcards.detector, PLAN.config.clustering.textures)


def files_of_group(wildcards):
    """The same as files."""
    return [path for part in parts_of(wildcards) for path in part.files]


def of_groups(pattern):
    """The pattern for each group and each of its detectors."""
    return [
        pattern.format(group=name, detector=folder)
        for name, group in PLAN.groups.items()
        for folder in group.detectors.values()
    ]
