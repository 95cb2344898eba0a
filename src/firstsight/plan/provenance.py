"""What a job's record says about its settings."""

import json

from firstsight.features.weights import NO_WEIGHTS, OWN_WEIGHTS
from firstsight.plan.collections import CollectionPlan
from firstsight.plan.detectors import DetectorPlan


def settings_of_job(collection: CollectionPlan, detector: DetectorPlan | None = None) -> str:
    """The settings of a job's collection, and of its detector if it has one, in the form of a config.

    Under ``collections.<name>`` of a config they ask for the same again; but settings that new images take over from a
    known collection belong to the entry of that one. Every default is filled in.

    Returns:
        JSON in one line with sorted keys: the same settings give the same text. It does not grow with the images.
    """
    config = collection.settings.model_dump(mode="json", exclude={"detectors"})
    if collection.weights not in (NO_WEIGHTS, OWN_WEIGHTS):
        config["features"]["weights"] = collection.weights
    config = {key: value for key, value in config.items() if value is not None}
    if detector:
        config["detectors"] = {detector.name: {"method": detector.method, **detector.settings}}
    return json.dumps(config, sort_keys=True, ensure_ascii=False)
