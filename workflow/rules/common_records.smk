# What jobs note about themselves. Nothing here computes.
from functools import cache
from types import SimpleNamespace

from firstsight.plan.provenance import settings_of_job


@cache
def noted_settings(**names):
    """The settings of a collection, and of the detector in a folder where one is named, for the records of its jobs."""
    job = SimpleNamespace(**names)
    return settings_of_job(of_collection(job), of_detector(job) if "detector" in names else None)


def config_of(wildcards, output):
    """Params function: the settings that a job's record holds.

    Snakemake compares no params that are made from ``output``: when a setting changes on which a job does not depend,
    its other params stay the same, and it is not run again.
    """
    return noted_settings(**{key: wildcards[key] for key in ("collection", "detector") if key in wildcards.keys()})
