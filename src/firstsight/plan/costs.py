"""What is needed to time the detectors of a collection."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstsight.plan.collections import CollectionPlan
from firstsight.plan.paths import paths_below


@dataclass(frozen=True)
class TimedDetector:
    """A detector that reads features, and where these and what it learned lie.

    features: the store of a shard.
    model: None if it learns nothing.
    """

    name: str
    method: str
    settings: dict[str, Any]
    layers: tuple[str, ...]
    features: Path
    model: Path | None

    @property
    def files(self) -> list[Path]:
        """What must be there before it is timed."""
        return [self.features, *([self.model] if self.model else [])]


def plan_costs(results: Path, collection: CollectionPlan) -> list[TimedDetector]:
    """The detectors of a collection on its first shard, but for those that read the image itself."""
    paths = paths_below(results)
    timed = []
    for name, detector in collection.detectors.items():
        if detector.reads_image:
            continue
        features = collection.of_shards(paths.features, features=detector.features)[0]
        model = Path(paths.model.format(collection=collection.known, detector=detector.folder))
        learned = model if detector.learns else None
        timed.append(TimedDetector(name, detector.method, detector.settings, detector.layers, features, learned))
    return timed
