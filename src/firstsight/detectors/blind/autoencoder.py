"""The variational autoencoder of blind localization ("Classifying Texture Anomalies at First Sight", 2024).

Every layer of the paper's network is a 1x1 convolution, so the network sees one cell (feature vector) at a time. Here
it is a perceptron on cells, trained on random cells of the whole collection. It reconstructs well what all images have
in common and badly what is rare, so the residuals of an image show its anomalies.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from firstsight.detectors.layers import scale_channels
from firstsight.errors import FirstsightError

# Cells that go through the network at a time when the residual of an image is made.
_BLOCK = 4096
# Slope of the last ReLU below 0 while training. With a slope of 0, a channel whose outputs have all fallen below 0
# stays there for good: 9 of 128 channels did, and the squared error was half as large again.
_TRAINING_SLOPE = 0.1
# Log deviation of the codes at the start. With 0 the codes are mostly noise and the decoder learns later: the squared
# error after 130,000 cells was a third larger.
_FIRST_LOG_DEVIATION = -2.0


class Loss(NamedTuple):
    """What training minimises: ``total`` = ``squared_error`` + kl_weight * ``divergence``; 0-dimensional tensors."""

    total: Tensor
    squared_error: Tensor
    divergence: Tensor


class Autoencoder(nn.Module):
    """Encoder C -> hidden -> hidden -> mean and log deviation of the code; decoder latent -> hidden -> hidden -> C.

    ReLU between the layers and after the last one.

    Args:
        channels: C.
        hidden: units of the hidden layers.
        latent: dimensions of the code.
        generator: of the weights at the start, on the CPU; None leaves the weights uninitialised, to be loaded.
    """

    def __init__(self, channels: int, hidden: int, latent: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.channels = channels
        self.encoder = _two_layers(channels, hidden)
        self.mean = _linear(hidden, latent)
        self.log_deviation = _linear(hidden, latent)
        self.decoder = _two_layers(latent, hidden)
        self.output = _linear(hidden, channels)
        if generator is not None:
            for layer in self.modules():
                if isinstance(layer, nn.Linear):
                    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
                    nn.init.zeros_(layer.bias)
            nn.init.zeros_(self.log_deviation.weight)
            nn.init.constant_(self.log_deviation.bias, _FIRST_LOG_DEVIATION)
            nn.init.zeros_(self.output.weight)

    def encode(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Cells (N, C) to the means and the log deviations of their codes, both (N, latent)."""
        hidden = self.encoder(cells)
        return self.mean(hidden), self.log_deviation(hidden)

    def decode(self, codes: Tensor, slope: float = 0.0) -> Tensor:
        """Codes (N, latent) to cells (N, C); negative values are multiplied by ``slope``, by default 0."""
        return functional.leaky_relu(self.output(self.decoder(codes)), slope)

    def reconstruct(self, cells: Tensor) -> Tensor:
        """Cells (N, C) to the cells (N, C) that are decoded from the means of their codes."""
        return self.decode(self.encode(cells)[0])


def divergence(mean: Tensor, log_deviation: Tensor) -> Tensor:
    """Kullback-Leibler divergence KL(N(mean, deviation^2) || N(0, 1)) of every latent dimension, in nats.

    Args:
        mean: any shape.
        log_deviation: natural logarithm of the deviation, the same shape.

    Returns:
        The same shape: (mean^2 + deviation^2 - 1) / 2 - log deviation.
    """
    return (mean.square() + torch.expm1(2 * log_deviation)) / 2 - log_deviation


def autoencoder_loss(
    model: Autoencoder, cells: Tensor, kl_weight: float, generator: torch.Generator | None = None
) -> Loss:
    """Loss of a batch of cells.

    The squared error is the mean over cells and channels, the divergence the mean over cells and latent dimensions.
    (Were it summed over the dimensions, the paper's weight of 0.001 would outweigh the variance of features in [0, 1]:
    the squared error was seen to stay at nine tenths of the variance.)

    Args:
        model: the autoencoder.
        cells: (N, C) in [0, 1].
        kl_weight: weight of the divergence.
        generator: of the codes' noise, on the device of the cells, for training (where the last ReLU is a leaky one);
            None: the codes are their means.
    """
    mean, log_deviation = model.encode(cells)
    if generator is None:
        decoded = model.decode(mean)
    else:
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        decoded = model.decode(mean + noise * log_deviation.exp(), _TRAINING_SLOPE)
    squared_error = (decoded - cells).square().mean()
    mean_divergence = divergence(mean, log_deviation).mean()
    return Loss(squared_error + kl_weight * mean_divergence, squared_error, mean_divergence)


@torch.no_grad()
def residual(model: Autoencoder, features: Tensor) -> Tensor:
    """The part of an image's features that the autoencoder does not reconstruct: scaled features minus reconstruction.

    Args:
        model: a trained autoencoder.
        features: (C, h, w), finite, of one image on the device of the model; every channel is scaled to [0, 1] here.

    Returns:
        (C, h, w) float32, signed, at most 1.

    Raises:
        FirstsightError: the features do not have as many channels as the autoencoder was made for.
    """
    if len(features) != model.channels:
        raise FirstsightError(f"the features have {len(features)} channels, the autoencoder {model.channels}")
    scaled = scale_channels(features)
    blocks = torch.split(scaled.flatten(1), _BLOCK, dim=1)
    return torch.cat([block - model.reconstruct(block.T).T for block in blocks], dim=1).view(scaled.shape)


def _two_layers(inputs: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(_linear(inputs, hidden), nn.ReLU(), _linear(hidden, hidden), nn.ReLU())


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A layer whose weights are not drawn from the global random numbers."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)  # type: ignore[no-untyped-call]
    return layer
