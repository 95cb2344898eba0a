"""What a job's record says of the settings that the job was made by."""

import json

from firstsight.features.registry import EXTRACTORS
from firstsight.plan.collections import CollectionPlan
from firstsight.plan.detectors import DetectorPlan


def settings_of_job(collection: CollectionPlan, detector: DetectorPlan | None = None) -> str:
    """The settings of a collection, and of one detector where a job is of one, as they stand in a config.

    Put under ``collections.<name>`` of a config they ask for the same again; but those that new images share with the
    collection they are held against would have to stand there. Every default is filled in.

    Args:
        collection: of the job.
        detector: of the job; None: it is of none, or of all.

    Returns:
        JSON in one line with sorted keys: the same settings give the same text. Nothing of it grows with the images.
    """
    config = collection.settings.model_dump(mode="json", exclude={"detectors"})
    if EXTRACTORS[collection.settings.features.extractor].needs_weights:
        config["features"]["weights"] = collection.weights
    config = {key: value for key, value in config.items() if value is not None}
    if detector:
        config["detectors"] = {detector.name: {"method": detector.method, **detector.settings}}
    return json.dumps(config, sort_keys=True, ensure_ascii=False)
