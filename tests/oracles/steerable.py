"""The first level of pyrtools' own steerable pyramid, for comparison with ``firstsight.features.steerable``."""

import numpy as np
from numpy.typing import NDArray
from pyrtools.pyramids import SteerablePyramidSpace

EDGES = {"reflect": "reflect1", "paper": "zero"}


def bands(image: NDArray[np.float64], border: str) -> NDArray[np.float64]:
    """Four oriented bands of every plane of an image (3, H, W), by the library's C code in float64: (12, H, W)."""
    found = []
    for plane in image:
        pyramid = SteerablePyramidSpace(plane, height=1, order=3, edge_type=EDGES[border])
        found += [pyramid.pyr_coeffs[0, orientation] for orientation in range(4)]
    return np.stack(found)
