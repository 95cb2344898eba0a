"""The formats that a collection can be exported to."""

from collections.abc import Callable, Iterable
from pathlib import Path

from firstsight.reports.exports.coco import write_coco
from firstsight.reports.exports.embedding_atlas import write_embedding_atlas
from firstsight.reports.exports.findings import Findings, ImageFindings
from firstsight.reports.exports.hdf5 import write_hdf5
from firstsight.reports.exports.label_studio import write_label_studio
from firstsight.reports.exports.masks import write_masks
from firstsight.reports.exports.tiff import write_tiff

EXPORTS: dict[str, Callable[[Findings, Iterable[ImageFindings], Path], None]] = {
    "coco": write_coco,
    "masks": write_masks,
    "tiff": write_tiff,
    "hdf5": write_hdf5,
    "label_studio": write_label_studio,
    "embedding_atlas": write_embedding_atlas,
}
"""Each writes into an existing, empty folder and reads every image once, in the order of the findings."""
