"""The units in which torchvision's networks take images."""

import torch

from firstsight.features.torchvision_trunk import IMAGENET_MEAN, IMAGENET_STD, normalise_images


def test_images_are_normalised_by_channel() -> None:
    images = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    found = normalise_images(images)
    for channel, (mean, deviation) in enumerate(zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)):
        torch.testing.assert_close(found[:, channel], (images[:, channel] - mean) / deviation)
    assert found.is_contiguous(memory_format=torch.channels_last)
