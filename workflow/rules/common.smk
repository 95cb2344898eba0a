# Settings, the plan of the run, and input functions. Nothing here computes.
import os

from firstsight.errors import ConfigError, FirstsightError
from firstsight.plan.collections import MADE_BY_THE_RUN
from firstsight.plan.config_files import refuse_duplicates, tell_mistakes
from firstsight.plan.loading import load_settings
from firstsight.plan.run import plan_run
from firstsight.stages.clock import bring_to_present

BASE = Path(workflow.basedir)

# Scripts that run in another environment find the package here.
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [str(BASE / "src"), os.getenv("PYTHONPATH")])))

try:
    for configfile in workflow.configfiles:
        refuse_duplicates(Path(configfile))
    PLAN = plan_run(load_settings(BASE / "config.yaml", config))
except ConfigError as error:
    files = [BASE / "config.yaml", *map(Path, workflow.configfiles)]
    sys.exit("\n".join(f"firstsight: {line}" for line in tell_mistakes(error, files)))
except FirstsightError as error:
    sys.exit(f"firstsight: {error}")
for line in PLAN.set_aside:
    print(f"firstsight: set aside: {line}", file=sys.stderr)

RESULTS = PLAN.results.as_posix()
LOGS = f"{RESULTS}/logs"
# The environment of jobs that may compute on a GPU, from workflow/rules.
ON_GPU = any(each.settings.features.device.startswith("cuda") for each in PLAN.collections.values())
ENVIRONMENT = "../../envs/gpu.yaml" if ON_GPU else "../../envs/cpu.yaml"

TABLES = ("images", "regions", "clusters", "metrics", "runs")

SHARD = f"{RESULTS}/{{collection}}/shards/{{shard}}"
FEATURES = f"{RESULTS}/{{collection}}/features/{{features}}"
DETECTOR = f"{RESULTS}/{{collection}}/detectors/{{detector}}"
# Kinds of anomaly, from descriptors of the features as they are, or of features that the contrastive head made.
PLAIN, CONTRASTIVE = "kinds", "contrastive_kinds"
KINDS = f"{DETECTOR}/{{kinds}}"
# New images are held against the collections that are known.
NEW = [name for name, each in PLAN.collections.items() if each.is_new]
KNOWN = [name for name in PLAN.collections if name not in NEW]


def one_of(names):
    """A pattern that one of the names matches; without names, nothing does."""
    return "|".join(names) or "(?!)"


COLLECTION = "[A-Za-z0-9][A-Za-z0-9_-]*"


wildcard_constraints:
    kinds=one_of([PLAIN, CONTRASTIVE]),
    collection=f"{COLLECTION}(/robustness/[a-z]+-[0-9]+)?",
    shard="[0-9a-f]{10}",
    features="[a-z0-9_]+-[0-9a-f]{10}",
    detector="[A-Za-z][A-Za-z0-9_]*-[0-9a-f]{10}",


def of_collection(wildcards):
    """The plan of the wildcards' collection, or of a degraded copy."""
    return PLAN.collections.get(wildcards.collection) or degraded_collections()[wildcards.collection]


def kinds_of(collection):
    """The folder of the kinds that a collection's settings ask for."""
    return CONTRASTIVE if collection.settings.clustering.contrastive else PLAIN


def of_detector(wildcards):
    """The plan of the wildcards' detector."""
    return of_collection(wildcards).detector_in(wildcards.detector)


def of_these(pattern, wildcards, **more):
    """The pattern with the wildcards' values, and with the features that their detector reads."""
    values = {**dict(wildcards.items()), **more}
    if "{features}" in pattern:
        values["features"] = of_detector(wildcards).features
    return pattern.format(**values)


def each_shard(pattern):
    """Input function: the pattern (it holds {shard}) for every shard of the wildcards' collection."""
    return lambda wildcards: [of_these(pattern, wildcards, shard=shard) for shard in of_collection(wildcards).shards]


def of_features(file):
    """Input function: the file of the features that the wildcards' detector reads, of the wildcards' shard."""
    return lambda wildcards: of_these(f"{FEATURES}/{file}", wildcards)


def of_known(pattern):
    """Input function: the pattern for the collection whose models and clusters hold for the wildcards' collection."""
    return lambda wildcards: of_these(pattern, wildcards, collection=of_collection(wildcards).known)


def what_is_searched(wildcards):
    """What detect reads of a shard: its features or its images, and what the detector learned where it learns."""
    detector = of_detector(wildcards)
    images = of_these(f"{SHARD}/images.parquet", wildcards)
    source = {"source": images if detector.reads_image else of_features("{shard}.zarr.zip")(wildcards)}
    if detector.learns:
        source["model"] = of_known(f"{DETECTOR}/model.pt")(wildcards)
    return source


def fitted_head(wildcards):
    """The head that makes the features of contrastive descriptors; the others need none."""
    if wildcards.kinds == PLAIN:
        return []
    return of_known(f"{DETECTOR}/{CONTRASTIVE}/head.pt")(wildcards)


def true_labels(wildcards):
    """The labels that give the number of clusters, where the config asks for the true one."""
    if of_collection(wildcards).settings.clustering.oracle:
        return each_shard(f"{SHARD}/truth.json")(wildcards)
    return []


def names_of_clusters(wildcards):
    """The file of names that a person gave to clusters, where there is one."""
    return [PLAN.config.names.as_posix()] if PLAN.config.names and PLAN.config.names.exists() else []


def everywhere(pattern, *, detector=None, only=lambda collection, detector: True):
    """The pattern for all collections, and for their shards, features, detectors and kinds where it has them.

    Of the detectors, only that of one name, or those of the collections and detectors for which ``only`` holds.
    """
    paths = []
    for name, collection in PLAN.collections.items():
        named = [each for each in collection.detectors.values() if detector in (None, each.name)]
        chosen = [each for each in named if only(collection, each)]
        paths += expand(
            pattern,
            collection=name,
            shard=list(collection.shards),
            features=[each.features for each in chosen],
            detector=[each.folder for each in chosen],
            kinds=kinds_of(collection),
        )
    return list(dict.fromkeys(paths))


def made_images(wildcards):
    """Images that the run makes must be there before they can be looked at."""
    if of_collection(wildcards).settings.layout in MADE_BY_THE_RUN:
        return f"{RESULTS}/{wildcards.collection}/images"
    return []
