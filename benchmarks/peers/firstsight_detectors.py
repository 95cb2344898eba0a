"""firstsight itself: the stages of its workflow, one after the other, in this process."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from firstsight.detectors.image_score import image_score
from firstsight.plan.paths import paths_below
from firstsight.stages.detect import detect_anomalies
from firstsight.stages.features import extract_features
from firstsight.stages.fit import fit_detector
from firstsight.stages.manifest import make_manifest
from firstsight.stages.scale import find_scale
from firstsight.storage.stored_maps import stored_maps
from found import Found
from piles import NAME, Pile, plan_pile, quiet_job


def find_with(
    pile: Pile,
    learned: Sequence[int],
    searched: Sequence[int],
    weights: Path,
    *,
    detector: str,
    extractor: str,
) -> Iterator[Found]:
    """The maps of a detector with its default settings, of all images of the folder.

    Args:
        pile, searched: the images.
        learned: must be all of them: the pile itself is what firstsight learns from.
        weights: for ResNet18.
        detector, extractor: their names.
    """
    assert len(learned) == len(pile), "firstsight learns from the pile"
    with TemporaryDirectory() as folder:
        results = Path(folder)
        features = {"extractor": extractor, **({"weights": str(weights)} if extractor == "resnet18" else {})}
        collection, shard = plan_pile(pile.folder, results, detectors={detector: {}}, features=features)
        plan, paths, job = collection.detectors[detector], paths_below(results), quiet_job(shard, detector)
        place = partial(
            str.format,
            collection=NAME,
            shard=shard,
            features=plan.features,
            detector=plan.folder,
            kinds=collection.kinds,
        )
        manifest, scale, store = (Path(place(path)) for path in (paths.manifest, paths.scale, paths.features))
        model, maps = Path(place(paths.model)), Path(place(paths.maps))
        settings = collection.settings.features
        make_manifest(
            files=collection.shard_files(shard),
            collection=NAME,
            shard=shard,
            output=manifest,
            members=Path(place(paths.members)),
            job=job,
        )
        find_scale(manifests=[manifest], output=scale, settings=settings.model_dump(), seed=0, job=job)
        extract_features(
            manifest=manifest,
            scale=scale,
            output=store,
            settings=settings.model_dump(),
            layers=collection.layers_of(plan.features),
            threads=1,
            job=job,
        )
        how: dict[str, Any] = {"method": plan.method, "settings": plan.settings, "layers": plan.layers}
        how |= {"device": "cpu", "threads": 1, "job": job}
        if plan.learns:
            summary, checkpoints = Path(place(paths.model_summary)), Path(place(paths.model_checkpoints))
            fit_detector(features=[store], output=model, summary=summary, checkpoints=checkpoints, **how)
        detect_anomalies(source=store, model=model if plan.learns else None, output=maps, **how)
        by_name = {stored.image: stored for stored in stored_maps([maps])}
        for index in searched:
            stored = by_name[pile.names[index]]
            yield Found(stored.pixels(), image_score(stored.cells()))


blind = partial(find_with, detector="blind", extractor="resnet18")
fca = partial(find_with, detector="fca", extractor="resnet18")
blind_default = partial(find_with, detector="blind", extractor="efficientnet_lite0")
fca_default = partial(find_with, detector="fca", extractor="efficientnet_lite0")
