"""What a detector that learns offers: `Fit`, once for a collection, and `Detect`, for each image.

`fit_<name>` and `detect_<name>` take these arguments; their own docstrings say what they do with them, what they learn,
and what else they refuse.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from firstsight.storage.geometry import Geometry
from firstsight.storage.training import Note, Progress

Model = Mapping[str, Any]
"""What was learned: tensors, numbers and text, which `torch.load` reads without running anybody's code.

``n_images``: from how many images; ``says``: a line on what was learned; the rest is up to the detector.
"""


class Fit(Protocol):
    """Learns from images before any image is searched."""

    def __call__(
        self,
        shards: Sequence[Path],
        layers: Sequence[str],
        settings: Any,
        *,
        folder: Path,
        device: str,
        note: Note,
        progress: Progress = ...,
    ) -> Model:
        """Learn from all images that have features.

        Args:
            shards: stores of features, in any order: those of the collection, or of normal images.
            layers: the layers to learn from.
            settings: of the detector.
            folder: for checkpoints, from which a training that was killed goes on; not used where nothing is trained.
            device: to compute on.
            note: takes lines of text for the log.
            progress: for a progress bar; is given the images that are read, or the epochs of training.

        Returns:
            What `Detect` needs.

        Raises:
            FirstsightError: a shard is not whole, or the images cannot be learned from together.
        """


class Detect(Protocol):
    """Searches an image with what was learned."""

    def __call__(
        self,
        features: Mapping[str, Tensor],
        places: Mapping[str, Geometry],
        settings: Any,
        model: Model,
        image: str,
    ) -> Tensor:
        """Make the anomaly map of one image.

        Args:
            features: (C, h_l, w_l) of each layer.
            places: how each layer lies on the image.
            settings: of the detector, the same as for `Fit`.
            model: what `Fit` returned.
            image: id of the image, so that it is not compared with itself if it was among those learned from.

        Returns:
            (h, w) float32 on the grid of the finest layer, on the device of the features.
        """
