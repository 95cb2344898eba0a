"""What was found in four images of odd shapes: holes, single pixels, diagonals, regions at the frame, none at all."""

import numpy as np
import pytest
from PIL import Image

from firstsight.clustering.regions import find_regions
from firstsight.reports.exports.findings import UNSORTED, Findings, ImageEntry, ImageFindings, Plane, RegionFinding

THRESHOLD = 0.5


def found(entry: ImageEntry, anomaly_map: np.ndarray) -> ImageFindings:
    labels, regions = find_regions(anomaly_map, THRESHOLD)
    names = [(0, "crack"), (1, "stain <&'\">"), (-1, "outlier"), (None, UNSORTED)]
    findings = [
        RegionFinding(
            *(each.region, each.x, each.y, each.width, each.height, each.area, each.score_max),
            *names[index % len(names)],
        )
        for index, each in enumerate(regions)
    ]
    random = np.random.default_rng(len(anomaly_map))
    pixels = random.random((*anomaly_map.shape, 3)).astype(np.float32)
    pixels[0, 0] = np.nan
    return ImageFindings(entry, float(anomaly_map.max()), anomaly_map, labels, findings, lambda: pixels)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[ImageFindings]:
    """Two have files of their own, the others lie within a stack."""
    folder = tmp_path_factory.mktemp("pile")
    random = np.random.default_rng(0)
    rings = np.zeros((40, 61), np.float32)
    rings[5:20, 4:30] = 0.9
    rings[8:12, 10:15] = 0.1
    rings[25:39, 40:61] = 0.8
    rings[0, 60] = 0.7
    maps = {
        "a/ring.png": rings,
        "a/noise.png": random.random((23, 17)).astype(np.float32),
        "b/../odd name é.tif": np.pad(np.eye(6, dtype=np.float32), 3),
        "nothing.png": np.full((5, 9), 0.25, np.float32),
        "whole.png": np.full((1, 3), 0.75, np.float32),
    }
    files = {"a/ring.png": folder / "a ring.png", "b/../odd name é.tif": folder / "odd.tif"}
    for number, path in enumerate(files.values()):
        Image.new("L", (61, 40) if number == 0 else (12, 12), 90).save(path)
    entries = [
        ImageEntry(
            *(image, len(anomaly_map), anomaly_map.shape[1]),
            None if index == 1 else index,
            UNSORTED if index == 1 else f"kind {index}",
            str(files.get(image, f"/data/pile.h5:/{image}[...]")),
        )
        for index, (image, anomaly_map) in enumerate(maps.items())
    ]
    return [found(entry, maps[entry.image]) for entry in entries]


@pytest.fixture(scope="module")
def findings(images: list[ImageFindings]) -> Findings:
    names = sorted({region.cluster_name for image in images for region in image.regions})
    return Findings(
        collection="pile",
        detector="fca",
        method="fca",
        settings={"patch_size": 9, "layers": None},
        fingerprint="0123456789",
        threshold=THRESHOLD,
        version="0.1.0",
        cluster_names=names,
        images=[image.entry for image in images],
        plane=Plane(
            [image.entry.image for image in images[1:]],
            [[0.5, 1.0], [2.5, -1.0], [0.0, 0.25], [9.0, 9.0]],
            [[2, 1], [0, 2], [0, 1], [1, 0]],
            [[0.1, 0.4], [0.4, 0.45], [0.1, 0.45], [0.9, 1.0]],
        ),
    )


@pytest.fixture
def nothing() -> Findings:
    """A collection of which no image has a map."""
    return Findings("pile", "fca", "fca", {}, "0123456789", None, "0.1.0", [], [], Plane())
