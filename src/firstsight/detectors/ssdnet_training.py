"""How SSDnet learns an image from the image itself, and rebuilds it."""

import math

import torch
from torch import Tensor

from firstsight.detectors.ssdnet_corruption import corrupt, network_inputs, partition_blocks, permute_patches
from firstsight.detectors.ssdnet_losses import squared_error, training_loss
from firstsight.detectors.ssdnet_network import EncoderDecoder, make_network
from firstsight.detectors.ssdnet_perception import load_perception, perceptual_similarity
from firstsight.detectors.ssdnet_settings import SsdnetSettings

# Steps over which the learning rate rises.
WARM_UP = 10


def train(
    image: Tensor, known: Tensor, weights: tuple[float, float], settings: SsdnetSettings, generator: torch.Generator
) -> EncoderDecoder:
    """Train a network to rebuild crops of an image from corrupted ones, by Equation 2.

    The learning rate of Adam rises over ten steps and then falls along half a cosine, since the errors of a network
    that still changes much would differ from one image to the next.

    Args:
        image: (3, H, W), finite.
        known: (H, W), bool, False where a pixel is missing; such pixels are hidden, and count in no loss.
        weights: (w_rec, w_perc).
        settings: epochs, steps and crops, the network, how its input is corrupted, and what VGG19 sees. Where patches
            are enlarged for VGG19, a random one of every crop counts.
        generator: on the CPU; of everything random.
    """
    w_rec, w_perc = weights
    epochs = settings.epochs or (1 if w_perc else 10)
    stop = settings.stopping_loss if settings.stopping_loss is not None else (-math.inf if w_perc else 1e-4)
    perception = load_perception(settings.weights, image.device) if w_perc else None
    network = make_network(settings.channels, settings.skip_channels, 4, generator, image.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    total = epochs * settings.steps
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * step / total)) / 2
    )
    filling = mean_color(image, known)
    together = torch.cat([image, known[None].to(image)])
    for _ in range(epochs):
        losses = torch.zeros((), device=image.device)
        for _ in range(settings.steps):
            crops = random_crops(together, settings.crops, settings.crop_size, generator)
            targets, held = crops[:, :3], crops[:, 3:] > 0
            outputs = network(corrupt(targets, held, filling, settings, generator))
            if settings.permuted == "output":
                # As if the output had been permuted the other way round.
                crops = permute_patches(crops, settings.permuted_size, settings.permuted_share, generator)
            if perception and settings.enlarge > 1:
                crops, outputs = _random_patches(crops, outputs, max(settings.patch_sizes), generator)
            targets, held = crops[:, :3], crops[:, 3:] > 0
            loss = training_loss(
                squared_error(targets, outputs) if w_rec else None,
                perceptual_similarity(perception, targets, [outputs], settings.enlarge) if perception else None,
                held[:, 0],
                w_rec=w_rec,
                w_perc=w_perc,
                patch_sizes=settings.patch_sizes,
                aggregate=settings.aggregate,
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            losses += loss.detach()
        if losses / settings.steps < stop:
            break
    return network


@torch.no_grad()
def inpaint(network: EncoderDecoder, image: Tensor, known: Tensor) -> Tensor:
    """The image (3, H, W) with its missing pixels, which are hidden from the network, as the network rebuilds them.

    Args:
        network: trained on the known pixels of this image.
        image: (3, H, W), finite.
        known: (H, W), bool.
    """
    inputs = network_inputs(image[None], known[None, None], mean_color(image, known))
    return torch.where(known, image, network(inputs)[0])


@torch.no_grad()
def rebuild(network: EncoderDecoder, image: Tensor, settings: SsdnetSettings, generator: torch.Generator) -> Tensor:
    """f(y) of Equation 3: the image as the network rebuilds it.

    With ``inference: masked`` the blocks of the image are dealt out to ``mask_parts`` parts. One part after the other
    is hidden, and what the network puts in its place is kept. With ``paper`` nothing is hidden.

    Args:
        network: trained on this image.
        image: (3, H, W), finite.
        settings: inference, mask_size and mask_parts.
        generator: on the CPU; of how the blocks are dealt out.

    Returns:
        (3, H, W) in [0, 1].
    """
    filling = image.mean(dim=(1, 2))
    size = (image.shape[1], image.shape[2])
    if settings.inference == "paper":
        everything = torch.ones((1, 1, *size), dtype=torch.bool, device=image.device)
        return network(network_inputs(image[None], everything, filling))[0]
    dealt = partition_blocks(size, settings.mask_size, settings.mask_parts, generator).to(image.device)
    rebuilt = torch.empty_like(image)
    for part in range(settings.mask_parts):
        hidden = dealt == part
        outputs = network(network_inputs(image[None], ~hidden[None, None], filling))[0]
        rebuilt = torch.where(hidden, outputs, rebuilt)
    return rebuilt


def random_crops(image: Tensor, count: int, size: int, generator: torch.Generator) -> Tensor:
    """Crops from random places of an image (C, H, W): (count, C, size, size), cut to the size of a smaller image."""
    height, width = (min(size, length) for length in image.shape[1:])
    tops = torch.randint(image.shape[1] - height + 1, (count,), generator=generator).tolist()
    lefts = torch.randint(image.shape[2] - width + 1, (count,), generator=generator).tolist()
    return torch.stack(
        [image[:, top : top + height, left : left + width] for top, left in zip(tops, lefts, strict=True)]
    )


def mean_color(image: Tensor, known: Tensor) -> Tensor:
    """(3,): the mean colour of the known pixels, with which hidden pixels are filled."""
    return image[:, known].mean(dim=1)


def _random_patches(
    crops: Tensor, outputs: Tensor, patch_size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A patch from a random place of every crop (B, 4, H, W), and of the output (B, 3, H, W) for it."""
    together = torch.cat([crops, outputs], dim=1)
    patches = torch.cat([random_crops(each, 1, patch_size, generator) for each in together])
    return patches[:, :4], patches[:, 4:]
