"""Which cells of an anomaly map are anomalous: those above a threshold of the collection, or of the image.

A threshold of the collection holds for every cell of every image. A rate of false alarms is a share of images instead:
an image is anomalous if its p-value among the `NormalImages` of the collection is below the rate. Its own threshold is
the score that makes an image anomalous even where nothing else stands out. An image that is not anomalous has no
region. A region reaches further down than the threshold where the image's highest score is hardly above it. Otsu's
threshold of an image's own scores parts every image in two, whether or not there is anything to find.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from firstsight.clustering.normal_images import MapStatistics, NormalImages
from firstsight.clustering.thresholds import otsu_threshold
from firstsight.detectors.image_score import TOP_SHARE
from firstsight.errors import FirstsightError

OUTLINE = 0.6
"""A region reaches down to this share of the height of its image's highest score, or as far as the threshold."""


class Call(NamedTuple):
    """The decision on one image.

    Attributes:
        p_value: the share of normal images that stand out as much; None if that is not known.
        threshold: where cells of ``levelled`` are above it, there is a region.
        outline: the region holds the cells around them that are above this, at most the threshold.
        levelled: (h, w), the map as it is held against the threshold.
        anomalous: whether the image is; None if that is for its regions to say.
    """

    p_value: float | None
    threshold: float
    outline: float
    levelled: NDArray[np.float32]
    anomalous: bool | None


@dataclass(frozen=True)
class Decision:
    """How the images of a collection are decided on.

    Args:
        threshold: of the collection; with a ``rate``, that of the middle image.
        rate: share of normal images that may be called anomalous, in (0, 1); None: the threshold alone decides.
        normal: what normal images are like; needed with a ``rate``.
        otsu: whether every image has Otsu's threshold of its own scores; without a ``rate``.
    """

    threshold: float
    rate: float | None = None
    normal: NormalImages | None = None
    otsu: bool = False

    def __post_init__(self) -> None:
        if self.rate is not None and not (0 < self.rate < 1 and self.normal):
            raise FirstsightError(f"the rate of false alarms is {self.rate}, with {self.normal or 'no normal images'}")

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """From the JSON that `firstsight.stages.threshold.find_threshold` writes."""
        normal = content.get("normal")
        return cls(
            content["threshold"],
            # Without a map nothing is known of normal images, and nothing is to be decided on.
            content["rate"] if normal is not None and content.get("unit") == "image" else None,
            None if normal is None else NormalImages.from_json(normal),
            content.get("scores") == "image",
        )

    def call(self, anomaly_map: NDArray[np.float32]) -> Call:
        """Decide on one image by its map (h, w), finite.

        With a rate, an image that is anomalous has cells above its threshold, and no other has. Where it stands out
        only as a whole, these are the cells that make its score.
        """
        maps = MapStatistics.of(anomaly_map)
        p_value = None if self.normal is None else float(self.normal.p_values(maps)[0])
        if self.normal is None or self.rate is None or p_value is None:
            threshold = otsu_threshold(anomaly_map.ravel()) if self.otsu else self.threshold
            return Call(p_value, threshold, threshold, anomaly_map, None)
        levelled = self.normal.without_frame(anomaly_map)
        threshold = float(self.normal.highest(maps.medians, self.rate / self.normal.questions)[0])
        largest, anomalous = float(levelled.max()), p_value < self.rate
        if anomalous and threshold >= largest:
            threshold = top_threshold(levelled)
        elif not anomalous and (threshold < largest or np.isinf(threshold)):
            threshold = largest
        reach = self.normal.at_height(float(maps.medians[0]), largest, OUTLINE) if anomalous else threshold
        return Call(p_value, threshold, min(threshold, reach), levelled, anomalous)


def top_threshold(anomaly_map: NDArray[np.float32]) -> float:
    """The score just below the largest hundredth of a map (h, w), those that make its `image_score`."""
    least = np.quantile(anomaly_map, 1 - TOP_SHARE, method="lower")
    return float(np.nextafter(least, np.float32(-np.inf)))
