"""Settings of SSDnet, as a config may give them."""

import math
from dataclasses import dataclass
from typing import Literal

from firstsight.detectors.image_input import check_image_size, check_setting
from firstsight.detectors.ssdnet_losses import Aggregate
from firstsight.detectors.ssdnet_network import smallest_side
from firstsight.errors import FirstsightError


@dataclass(frozen=True)
class SsdnetSettings:
    """Settings of `ssdnet`, which explains the choices.

    Attributes:
        image_size: pixels of the shorter side of the reduced image; smaller images stay as they are, as all do with
            None.
        weights: of VGG19, torchvision's name of them or a file; None: torchvision's IMAGENET1K_V1. Needed only where
            the perceptual term has a weight.
        w_rec, w_perc: of Equation 2; None (both): (1, 0) for a periodic image, (0, 1) for a stochastic one.
        periodic_from: the `periodicity` from which on an image is periodic.
        epochs: None: 10 where w_perc is 0, else 1.
        steps: of an epoch, each on so many crops.
        crops, crop_size: of the image, for a step; pixels.
        stopping_loss: training ends after an epoch whose mean loss is lower; None: 1e-4 where w_perc is 0, else never.
        learning_rate: of Adam, at its highest.
        alpha_perc: of Equation 3; alpha_rec is what it lacks of 1.
        patch_sizes: m_r of both equations, pixels of the reduced image.
        aggregate: Lambda of both equations.
        min_max: whether each term of Equation 3 is scaled to [0, 1] image by image, as in the paper.
        channels, skip_channels: of the network, see `EncoderDecoder`.
        mask_size: of the blocks that are hidden from the network, pixels.
        mask_parts: one of so many parts of the blocks is hidden.
        permuted_size, permuted_share: of the patches that change places, see `permute_patches`.
        noise: deviation of the Gaussian noise.
        inference: ``masked``: every pixel is rebuilt while it is hidden; ``paper``: all of the image is shown.
        rounds: over how many ways to hide the image the error is averaged.
        seed: of everything random.
    """

    image_size: int | None = 256
    weights: str | None = None
    w_rec: float | None = None
    w_perc: float | None = None
    periodic_from: float = 0.5
    epochs: int | None = None
    steps: int = 20
    crops: int = 4
    crop_size: int = 64
    stopping_loss: float | None = None
    learning_rate: float = 0.01
    alpha_perc: float = 0.0
    patch_sizes: tuple[int, ...] = (8,)
    aggregate: Aggregate = "max"
    min_max: bool = False
    channels: tuple[int, ...] = (16, 32, 64)
    skip_channels: int = 4
    mask_size: int = 8
    mask_parts: int = 4
    permuted_size: int = 16
    permuted_share: float = 0.1
    noise: float = 0.01
    inference: Literal["masked", "paper"] = "masked"
    rounds: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        check_image_size(self.image_size)
        if (self.w_rec is None) != (self.w_perc is None):
            raise FirstsightError(f"w_rec is {self.w_rec} and w_perc is {self.w_perc}, but both or none must be given")
        if self.w_rec is not None and self.w_perc is not None:
            low, high = sorted((self.w_rec, self.w_perc))
            if not (low >= 0 and 0 < high < math.inf):
                raise FirstsightError(
                    f"w_rec is {self.w_rec} and w_perc is {self.w_perc}, but must be finite, at least 0, not both 0"
                )
        for name in ("steps", "crops", "mask_size", "permuted_size", "rounds"):
            check_setting(name, getattr(self, name), getattr(self, name) >= 1, "positive")
        check_setting("epochs", self.epochs, self.epochs is None or self.epochs >= 1, "positive")
        rate = self.learning_rate
        check_setting("learning_rate", rate, 0 < rate < math.inf, "positive and finite")
        for name in ("alpha_perc", "permuted_share", "noise", "periodic_from"):
            check_setting(name, getattr(self, name), 0 <= getattr(self, name) <= 1, "from 0 to 1")
        for name in ("patch_sizes", "channels"):
            values = getattr(self, name)
            check_setting(name, values, len(values) > 0 and min(values) >= 1, "one or more positive numbers")
        check_setting("skip_channels", self.skip_channels, self.skip_channels >= 0, "0 or larger")
        check_setting("mask_parts", self.mask_parts, self.mask_parts >= 2, "2 or larger")
        check_setting("seed", self.seed, self.seed >= 0, "0 or larger")
        largest = max(*self.patch_sizes, smallest_side(len(self.channels)))
        check_setting("crop_size", self.crop_size, self.crop_size >= largest, f"at least {largest}")

    @property
    def needs_weights(self) -> bool:
        """Whether there may be a perceptual term, which needs VGG19."""
        return self.w_perc != 0 or self.alpha_perc != 0

    @property
    def least_side(self) -> int:
        """The shortest side of an image that holds a patch and that the network takes, pixels."""
        return max(*self.patch_sizes, smallest_side(len(self.channels)))
