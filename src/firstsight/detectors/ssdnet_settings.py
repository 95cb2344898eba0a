"""Settings of SSDnet, as a config may give them."""

from typing import Annotated, Literal, Self

from pydantic import Field, Strict, model_validator

from firstsight.detectors.ssdnet_losses import Aggregate
from firstsight.detectors.ssdnet_network import smallest_side
from firstsight.settings_model import Count, NotNegative, Positive, Seed, SettingsModel, misplaced

FromZeroToOne = Annotated[float, Field(ge=0, le=1)]


class SsdnetSettings(SettingsModel):
    """Settings of `ssdnet`, which explains the choices."""

    image_size: Count | None = 256
    """Pixels of the shorter side of the reduced image; smaller images stay as they are, as all do with null."""
    weights: str | None = None
    """Of VGG19, torchvision's name of them or a file; null: torchvision's IMAGENET1K_V1. Needed only where the
    perceptual term has a weight."""
    w_rec: NotNegative | None = None
    """Weight of the reconstruction term of Equation 2; null (both weights): a network is trained with (1, 0) and
    another with (0, 1), and the terms of both are combined."""
    w_perc: NotNegative | None = None
    """Weight of the perceptual term of Equation 2."""
    epochs: Count | None = None
    """Epochs of training; null: 10 where w_perc is 0, else 1."""
    steps: Count = 20
    """Steps of an epoch, each on so many crops."""
    crops: Count = 4
    """Crops of the image for a step."""
    crop_size: Count = 64
    """Side of a crop, pixels."""
    stopping_loss: float | None = None
    """Training ends after an epoch whose mean loss is lower; null: 1e-4 where w_perc is 0, else never."""
    learning_rate: Positive = 0.01
    """Of Adam, at its highest."""
    alpha_perc: FromZeroToOne | None = None
    """Share of the perceptual term in Equation 3 (alpha_rec is what it lacks of 1); null: no shares, both terms are
    combined in robust deviations, see `combined_scores`."""
    patch_sizes: Annotated[tuple[Count, ...], Field(min_length=1), Strict(False)] = (8, 16)
    """m_r of both equations, pixels of the reduced image."""
    enlarge: Count = 1
    """By how much a patch is enlarged before VGG19 sees it; 14 makes 224 x 224 pixels of 16 x 16, as in the paper, and
    takes a minute or more. 1: VGG19 sees the whole crop as it is."""
    aggregate: Aggregate = "max"
    """Lambda of both equations."""
    min_max: bool = False
    """Whether each term of Equation 3 is scaled to [0, 1] image by image, as in the paper; for a given alpha_perc."""
    channels: Annotated[tuple[Count, ...], Field(min_length=1), Strict(False)] = (16, 32, 64)
    """Channels of the network's levels, see `EncoderDecoder`."""
    skip_channels: Annotated[int, Field(ge=0)] = 4
    """Channels of the network's skip connections."""
    mask_size: Count = 8
    """Side of the blocks that are hidden from the network, pixels."""
    mask_parts: Annotated[int, Field(ge=2)] = 4
    """One of so many parts of the blocks is hidden."""
    permuted: Literal["input", "output"] = "input"
    """Where patches change places: in what the network sees, or in what it gives, as in the paper."""
    permuted_size: Count = 16
    """Side of the patches that change places, pixels, see `permute_patches`."""
    permuted_share: FromZeroToOne = 0.1
    """Share of the patches that change places."""
    noise: FromZeroToOne = 0.01
    """Deviation of the Gaussian noise."""
    inference: Literal["masked", "paper"] = "masked"
    """masked: every pixel is rebuilt while it is hidden; paper: all of the image is shown."""
    rounds: Count = 3
    """Over how many ways to hide the image the error is averaged."""
    seed: Seed = 0
    """Of everything random."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.w_rec is None) != (self.w_perc is None):
            raise misplaced("w_rec", f"{self.w_rec}, with w_perc {self.w_perc}: both or none must be given")
        if self.w_rec == 0 and self.w_perc == 0:
            raise misplaced("w_rec", "0, with w_perc 0, leaves nothing to train")
        if self.alpha_perc is not None and self.w_rec is None:
            raise misplaced("alpha_perc", f"{self.alpha_perc} is for one network: w_rec and w_perc must be given, too")
        if self.min_max and self.alpha_perc is None:
            raise misplaced("min_max", "true has no meaning without alpha_perc")
        largest = max(*self.patch_sizes, smallest_side(len(self.channels)))
        if self.crop_size < largest:
            raise misplaced("crop_size", f"{self.crop_size} should be at least {largest}")
        return self

    @property
    def loss_weights(self) -> tuple[tuple[float, float], ...]:
        """(w_rec, w_perc) of every network that is trained: both pairs of section 4.2 unless one is given."""
        if self.w_rec is None or self.w_perc is None:
            return (1.0, 0.0), (0.0, 1.0)
        return ((self.w_rec, self.w_perc),)

    @property
    def needs_weights(self) -> bool:
        """Whether there may be a perceptual term, for which VGG19 is needed."""
        return self.w_perc != 0 or self.alpha_perc != 0

    @property
    def least_side(self) -> int:
        """The shortest side, in pixels, of an image that holds a patch and that the network accepts."""
        return max(*self.patch_sizes, smallest_side(len(self.channels)))
