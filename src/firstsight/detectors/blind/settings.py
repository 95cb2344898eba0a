"""The settings of the detector ``blind``, and of the autoencoder that the paper has in it.

This file does not import torch: the workflow reads it when it plans.
"""

from typing import Literal, Self

from pydantic import model_validator

from firstsight.settings_model import (
    Count,
    Layers,
    NotNegative,
    OddSize,
    Positive,
    Seed,
    SettingsModel,
    Share,
    misplaced,
)


class AutoencoderSettings(SettingsModel):
    """How the autoencoder is built and trained."""

    hidden: Count = 512
    """Units of the hidden layers."""
    latent: Count = 128
    """Dimensions of the latent code."""
    kl_weight: NotNegative = 0.001
    """Weight of the divergence (the mean over latent dimensions) beside the mean squared error."""
    learning_rate: Positive = 0.001
    """The highest of the schedule, see `training.learning_rate_at`."""
    weight_decay: NotNegative = 0.1
    """Of AdamW."""
    batch_cells: Count = 128
    """Cells in one step of the optimiser."""
    cells_per_epoch: Count = 32768
    """Fresh cells drawn for each epoch."""
    epochs: Count = 8
    """Epochs, at most."""
    patience: Count = 3
    """Epochs without a better validation loss after which training stops."""
    validation_cells: Count = 8192
    """Cells on which every epoch is judged; none of them is trained on."""
    seed: Seed = 0
    """Of the weights at the start, the cells and the noise."""


_AUTOENCODER = AutoencoderSettings()


class BlindSettings(SettingsModel):
    """What the detector ``blind`` looks at."""

    layers: Layers | None = None
    """Feature layers; null: the extractor's own choice."""
    correspondence: Literal["features", "residuals", "pooled", "none"] = "features"
    """What feature correspondence analysis is made of: features, or residuals that an autoencoder of the collection
    leaves (both against the image's own median window); pooled: features against a median window of the whole
    collection; none."""
    neighbours: bool = True
    """Whether the distance to the nearest cells of other images counts too."""
    patch_size: OddSize | None = None
    """Side T of the windows, cells, odd; null: chosen by the stride of each layer."""
    sigma_p: Positive = 3.0
    """Deviation of the Gaussian over the window, cells."""
    sigma_s: NotNegative | None = 1.0
    """Deviation of the Gaussian that smooths matching costs, cells; null or 0: they are not smoothed."""
    level_borders: bool = True
    """Whether scores along the borders are brought down to the level of the rest, evidence by evidence."""
    bank_images: Count = 48
    """Other images with whose cells a cell is compared."""
    bank_cells: Count = 64
    """Cells of each of these images."""
    neighbour_share: Share = 0.3
    """Of these images, the share with the most alike cells that counts."""
    local_density: bool = True
    """Whether a distance counts in units of how far the cell that it leads to is from its own neighbours."""
    sampled_images: Count = 64
    """Images from which the pooled reference is made."""
    epochs: Count = _AUTOENCODER.epochs
    """Epochs of training the autoencoder, at most."""
    cells_per_epoch: Count = _AUTOENCODER.cells_per_epoch
    """Cells that the autoencoder sees in an epoch."""
    learning_rate: Positive = _AUTOENCODER.learning_rate
    """Of the autoencoder."""
    kl_weight: NotNegative = _AUTOENCODER.kl_weight
    """Of the Kullback-Leibler term in the autoencoder's loss."""
    seed: Seed = 0
    """Of everything random."""

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if self.correspondence == "none" and not self.neighbours:
            raise misplaced("neighbours", "false, and correspondence: none, leave nothing to look at")
        return self

    def autoencoder(self) -> AutoencoderSettings:
        """The settings of the autoencoder."""
        return AutoencoderSettings(
            epochs=self.epochs,
            cells_per_epoch=self.cells_per_epoch,
            learning_rate=self.learning_rate,
            kl_weight=self.kl_weight,
            seed=self.seed,
        )
