"""Stage overlays: the images of a shard, drawn with their anomaly maps."""

from pathlib import Path

import numpy as np

from firstsight.clustering.decision import Decision
from firstsight.clustering.regions import find_image_regions
from firstsight.collections.images import read_row
from firstsight.collections.masks import read_ignored, read_row_masks
from firstsight.reports.overlays import draw_layers
from firstsight.reports.picture_files import picture_files
from firstsight.stages.job import Job
from firstsight.storage.json import read_json
from firstsight.storage.replacing import replace_folder
from firstsight.storage.stored_images import read_images
from firstsight.storage.stored_maps import stored_maps

MISSING_GREY = 0.5


def draw_overlays(*, maps: Path, manifest: Path, truth: Path, threshold: Path, output: Path, job: Job) -> None:
    """Draw every image of a shard that has a map, on the colour scale of its collection, with its mask if it has one.

    Args:
        maps: the shard's store of anomaly maps.
        manifest, truth: the shard's rows of the table `images`, and its labels and masks.
        threshold: JSON of the collection's threshold and scale.
        output: folder to make, of `firstsight.reports.picture_files`: at most 26 files, however many images there are.
    """
    shared = read_json(threshold)
    decision = Decision.from_json(shared)
    images = read_images([manifest], [truth]).set_index("image")
    with replace_folder(output) as folder, picture_files(folder) as files:
        entries = stored_maps([maps])
        for stored in job.progress(entries, len(entries)):
            if stored.status != "ok":
                continue
            row = images.loc[stored.image].to_dict()
            with job.step("draw"):
                assert stored.geometry is not None
                found = find_image_regions(stored.cells(), stored.geometry, decision, read_ignored(stored.ignored))
                layers = draw_layers(
                    np.nan_to_num(read_row(row), nan=MISSING_GREY),
                    found.anomaly_map,
                    scale=tuple(shared["scale"]),
                    regions=found.labels > 0,
                    mask=read_row_masks(row),
                )
            with job.step("encode"):
                files.add(stored.image, layers)
            job.n_images += 1
