"""The weights of the extractors, looked for before any job starts."""

from pathlib import Path

from firstsight.errors import ConfigError, Mistake
from firstsight.features.downloads import ways_out, why_unavailable
from firstsight.plan.collections import CollectionPlan
from firstsight.plan.paths import paths_below


def require_weights(collection: CollectionPlan, results: Path) -> None:
    """Raise a ConfigError if features of a collection have to be computed, and the weights for them cannot be had.

    Where all features are there already, a run needs neither weights nor a network.
    """
    pattern = paths_below(results).features
    stores = [
        Path(pattern.format(collection=collection.name, features=folder, shard=shard))
        for folder in collection.own.features
        for shard in (*collection.shards, *collection.reference_shards)
    ]
    if all(store.exists() for store in stores):
        return
    features = collection.settings.features
    problem = why_unavailable(features.extractor, features.weights)
    if problem:
        raise ConfigError([Mistake(("features", "weights"), f"{problem}: {ways_out('that folder')}")])
