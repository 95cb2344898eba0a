# Settings, the plan of the run, and input functions. Nothing here computes.
import os
from dataclasses import asdict

from firstsight.config import load_settings
from firstsight.errors import FirstsightError
from firstsight.planning import plan_run

BASE = Path(workflow.basedir)

# Scripts that run in another environment find the package here.
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [str(BASE / "src"), os.getenv("PYTHONPATH")])))

try:
    PLAN = plan_run(load_settings(BASE / "config.yaml", config, BASE / "workflow/schemas/config.schema.yaml"))
except FirstsightError as error:
    sys.exit(f"firstsight: {error}")

RESULTS = PLAN.results.as_posix()
LOGS = f"{RESULTS}/logs"
# The environment of jobs that may compute on a GPU, from workflow/rules.
ON_GPU = any(each.settings.features.device.startswith("cuda") for each in PLAN.collections.values())
ENVIRONMENT = "../../envs/gpu.yaml" if ON_GPU else "../../envs/cpu.yaml"

TABLES = ("images", "regions", "clusters", "metrics", "runs")

SHARD = f"{RESULTS}/{{collection}}/shards/{{shard}}"
FEATURES = f"{RESULTS}/{{collection}}/features/{{features}}"
DETECTOR = f"{RESULTS}/{{collection}}/detectors/{{detector}}"


wildcard_constraints:
    collection="[A-Za-z0-9][A-Za-z0-9_-]*",
    shard="[0-9a-f]{10}",
    features="[a-z0-9_]+-[0-9a-f]{10}",
    detector="[A-Za-z][A-Za-z0-9_]*-[0-9a-f]{10}",


def of_collection(wildcards):
    """The plan of the wildcards' collection."""
    return PLAN.collections[wildcards.collection]


def of_detector(wildcards):
    """The plan of the wildcards' detector."""
    return of_collection(wildcards).detector_in(wildcards.detector)


def each_shard(pattern):
    """Input function: the pattern (it holds {shard}) for every shard of the wildcards' collection."""

    def paths(wildcards):
        shards = of_collection(wildcards).shards
        return [pattern.format(**dict(wildcards.items()), shard=shard) for shard in shards]

    return paths


def features_of(file):
    """Input function: the file of the features that belong to the wildcards' collection and shard."""

    def path(wildcards):
        folder = of_collection(wildcards).features_folder
        return f"{FEATURES}/{file}".format(**dict(wildcards.items()), features=folder)

    return path


def everywhere(pattern, *, detector=None):
    """The pattern for all collections, and for their shards, features and detectors (or one, by name) where it has them."""
    paths = []
    for name, collection in PLAN.collections.items():
        chosen = [each for each in collection.detectors.values() if detector in (None, each.name)]
        paths += expand(
            pattern,
            collection=name,
            shard=list(collection.shards),
            features=collection.features_folder,
            detector=[each.folder for each in chosen],
        )
    return list(dict.fromkeys(paths))


def demo_images(wildcards):
    """A demo collection's images must be made before they can be looked at."""
    if of_collection(wildcards).settings.layout == "demo":
        return f"{RESULTS}/{wildcards.collection}/images"
    return []
