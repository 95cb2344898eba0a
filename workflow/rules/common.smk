# Settings, the plan of the run, and input functions. Nothing here computes.
import os
from contextlib import contextmanager

from firstsight.errors import ConfigError, FirstsightError
from firstsight.plan.config_files import refuse_duplicates, tell_mistakes
from firstsight.plan.files import collections_of_page, everywhere, parts_of_images, records, rows_of_unread
from firstsight.plan.loading import load_settings
from firstsight.plan.paths import CONTRASTIVE, DIGEST, PLAIN, paths_below
from firstsight.plan.run import plan_run
from firstsight.stages.clock import bring_to_present
from firstsight.stages.run_lock import RunLock

# Scripts that run in another environment find the package here.
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [str(BASE / "src"), os.getenv("PYTHONPATH")])))


@contextmanager
def one_line():
    """Let a mistake of the user end the process with one line for each."""
    try:
        yield
    except ConfigError as error:
        files = [BASE / "config.yaml", *map(Path, workflow.configfiles)]
        sys.exit("\n".join(f"firstsight: {line}" for line in tell_mistakes(error, files)))
    except FirstsightError as error:
        sys.exit(f"firstsight: {error}")


with one_line():
    for configfile in workflow.configfiles:
        refuse_duplicates(Path(configfile))
    PLAN = plan_run(load_settings(BASE / "config.yaml", config))
for line in PLAN.set_aside:
    print(f"firstsight: set aside: {line}", file=sys.stderr)
if workflow.is_main_process:
    for line in PLAN.remarks:
        print(f"firstsight: {line}", file=sys.stderr)

PATHS = paths_below(PLAN.results)
# The environment of jobs that may compute on a GPU, from workflow/rules.
ON_GPU = any(planned.settings.features.device.startswith("cuda") for planned in PLAN.collections.values())
ENVIRONMENT = "../../envs/gpu.yaml" if ON_GPU else "../../envs/cpu.yaml"

TABLES = ("images", "regions", "clusters", "metrics", "runs", "unread", "region_kinds")

# New images are compared with the collections that are known.
NEW = [name for name, planned in PLAN.collections.items() if planned.is_new]
KNOWN = [name for name in PLAN.collections if name not in NEW]


def one_of(names):
    """A pattern that one of the names matches; without names, nothing does."""
    return "|".join(names) or "(?!)"


COLLECTION = "[A-Za-z0-9][A-Za-z0-9_-]*"


wildcard_constraints:
    kinds=one_of([PLAIN, CONTRASTIVE]),
    collection=f"{COLLECTION}(/robustness/[a-z]+-[0-9]+)?",
    shard=DIGEST,
    features=f"[a-z0-9_]+-{DIGEST}",
    detector=f"[A-Za-z][A-Za-z0-9_]*-{DIGEST}",
    format=one_of(PLAN.config.export.formats),


def of_collection(wildcards):
    """The plan of the wildcards' collection, or of a degraded copy."""
    return PLAN.collections.get(wildcards.collection) or degraded_collections()[wildcards.collection]


def of_detector(wildcards):
    """The plan of the wildcards' detector."""
    return of_collection(wildcards).detector_in(wildcards.detector)


def of_these(pattern, wildcards, **more):
    """The pattern with the wildcards' values, and with the features that their detector reads."""
    values = {**dict(wildcards.items()), **more}
    if "{features}" in pattern:
        values["features"] = of_detector(wildcards).features
    return pattern.format(**values)


def each_shard(pattern, shards=lambda wildcards: of_collection(wildcards).shards):
    """Input function: the pattern (it holds {shard}) for every shard of the wildcards' collection, or for these of it."""
    return lambda wildcards: [of_these(pattern, wildcards, shard=shard) for shard in shards(wildcards)]


def of_features(pattern):
    """Input function: the pattern for the features that the wildcards' detector reads."""
    return lambda wildcards: of_these(pattern, wildcards)


def of_kinds(pattern):
    """Input function: the pattern for the kinds that the settings of the wildcards' collection ask for."""
    return lambda wildcards: of_these(pattern, wildcards, kinds=of_collection(wildcards).kinds)


def of_known(pattern):
    """Input function: the pattern for the collection whose models and clusters hold for the wildcards' collection."""
    return lambda wildcards: of_these(pattern, wildcards, collection=of_collection(wildcards).known)


def of_known_features(pattern):
    """Input function: the same for a pattern that holds {features}, for a job whose wildcards do."""
    return lambda wildcards: pattern.format(collection=of_collection(wildcards).known, features=wildcards.features)


def found_scale(wildcards):
    """The scale that the wildcards' features are computed at; once found it is kept, so its age does not matter."""
    return ancient(of_known_features(PATHS.scale)(wildcards))


def all_shards(wildcards):
    """The shards of the wildcards' collection, those of its normal images among them."""
    return of_collection(wildcards).shards | of_collection(wildcards).reference_shards


def what_is_searched(wildcards):
    """The inputs of detect: the features or the images of a shard, and the model of a detector that learns."""
    detector = of_detector(wildcards)
    source = {"source": of_these(PATHS.manifest if detector.reads_image else PATHS.features, wildcards)}
    if detector.learns:
        source["model"] = of_known(PATHS.model)(wildcards)
    return source


def value_sample(wildcards, output):
    """The images from which the range of values is found. They come and go, which is no reason to look at all again:
    Snakemake compares no params that are made from ``output``."""
    return PLAN.collections[of_collection(wildcards).known].value_sample


def made_images(wildcards):
    """The images of the wildcards' collection where the run makes them: they must be there before anything reads them."""
    return of_these(PATHS.images, wildcards) if of_collection(wildcards).made_by_the_run else []
