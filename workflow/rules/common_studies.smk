# What the studies look at. Nothing here computes.
from functools import cache

from firstsight.plan.costs import plan_costs
from firstsight.plan.degraded import originals, plan_degraded
from firstsight.plan.papers import plan_papers
from firstsight.plan.study_rows import stores_of_maps
from firstsight.plan.study_tables import STUDIES, plan_study


@cache
def planned_study(study, collection):
    """The plan of the study of that name, or of the part of it that is about one collection."""
    return plan_study(PLAN, STUDIES[study], collection)


def of_study(study, part):
    """Input or params function: a part of a study's plan; in a rule with a collection, only what is about that one."""
    return lambda wildcards: getattr(planned_study(study, wildcards.get("collection")), part)


@cache
def planned_papers():
    """The figures of the papers, and which results of the run stand beside them."""
    return plan_papers(PLAN)


def of_papers(part):
    """Input or params function: a part of the plan of the papers' tables."""
    return lambda wildcards: getattr(planned_papers(), part)


def timed_detectors(wildcards):
    """Params function: the detectors of the wildcards' collection that are timed."""
    return plan_costs(PLAN.results, of_collection(wildcards))


def compared_maps(wildcards):
    """Params function: the maps of every detector that is compared on the wildcards' collection."""
    return stores_of_maps(PLAN.results, of_collection(wildcards))


@cache
def degraded_collections():
    """Degraded copies of all collections with masks, by name."""
    return plan_degraded(PLAN)


def images_of_original(wildcards):
    """The images of a demo collection: they must be made before they can be degraded."""
    known = of_collection(wildcards).known
    return PATHS.images.format(collection=known) if PLAN.collections[known].made_by_the_run else []


def originals_of_copy(wildcards):
    """The images that a degraded copy is made from."""
    copy = of_collection(wildcards)
    return originals(PLAN.collections[copy.known], copy)
