"""Tasks for Label Studio, with the regions as predictions that a person can correct.

Format: https://labelstud.io/guide/predictions and https://labelstud.io/tags/polygonlabels. A region is written as one
polygon for each part that touches the others only at corners, simplified to within a pixel so that it has few corners;
holes are filled, since these polygons cannot have any. For exact pixels use COCO or the masks.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray
from skimage.measure import approximate_polygon

from firstsight.reports.exports.findings import Findings, ImageFindings
from firstsight.reports.exports.outlines import trace_outlines

TOLERANCE = 1.0
"""How far, in pixels, a polygon may deviate from the region's edge."""


def write_label_studio(findings: Findings, images: Iterable[ImageFindings], folder: Path) -> None:
    """Write ``tasks.json``, one task per line, and ``labels.xml``, the labelling interface for the tasks.

    A task's ``image`` is Label Studio's address of a local file: start Label Studio with
    ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT`` set to the folder of the collection.
    """
    model = f"{findings.detector}-{findings.fingerprint}"
    with open(folder / "tasks.json", "w", encoding="utf-8") as file:
        file.write("[")
        for number, image in enumerate(images, start=1):
            entry = image.entry
            data = {
                "image": f"/data/local-files/?d={quote(entry.image, errors='replace')}",
                "name": entry.image,
                "cluster": entry.cluster_name,
            }
            prediction = {"model_version": model, "score": image.score, "result": _results(image)}
            task = {"data": data, "predictions": [prediction]}
            file.write(("\n" if number == 1 else ",\n") + json.dumps(task))
        file.write("\n]\n")
    labels = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in findings.cluster_names)
    (folder / "labels.xml").write_text(
        '<View>\n  <Image name="image" value="$image" zoom="true"/>\n'
        f'  <PolygonLabels name="label" toName="image">\n{labels}  </PolygonLabels>\n</View>\n',
        encoding="utf-8",
    )


def _results(image: ImageFindings) -> list[dict[str, Any]]:
    height, width = image.labels.shape
    results = []
    for region in image.regions:
        outlines = [outline for outline in trace_outlines(region.mask(image.labels)) if not outline.is_hole]
        for part, outline in enumerate(outlines):
            corners = _simplify(outline.corners) + np.array([region.x, region.y])
            results.append(
                {
                    "id": f"region-{region.region}-{part}",
                    "type": "polygonlabels",
                    "from_name": "label",
                    "to_name": "image",
                    "original_width": width,
                    "original_height": height,
                    "image_rotation": 0,
                    "score": region.score_max,
                    "value": {
                        "points": (corners * np.array([100 / width, 100 / height])).tolist(),
                        "closed": True,
                        "polygonlabels": [region.cluster_name],
                    },
                }
            )
    return results


def _simplify(corners: NDArray[np.int64]) -> NDArray[np.float64]:
    """Simplify a polygon to fewer corners (m, 2); a polygon that would lose its area is returned unchanged."""
    simpler = approximate_polygon(np.append(corners, corners[:1], axis=0), TOLERANCE)[:-1]
    return np.asarray(simpler if len(simpler) > 2 else corners, np.float64)
