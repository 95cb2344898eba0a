"""Which images go through an extractor together, and what happens if they do not fit into memory or one fails."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from firstsight.errors import FirstsightError
from firstsight.features.extractor import Extractor
from firstsight.features.texture_scale import Size
from firstsight.features.tiling import TILE_SIZE, extract_tiled
from firstsight.stages.devices import first_that_fits, halved_to_fit

Extract = Callable[[Tensor], dict[str, Tensor]]

BATCH_PIXELS = {"cuda": TILE_SIZE**2, "cpu": 128**2}
"""Largest number of pixels in a batch, by kind of device. A GPU has to be filled. On a CPU only tiny images are faster
together: larger batches outgrow its caches between the layers."""
LEAST_PIXELS = 256**2
"""If even so many pixels at once, with the margin of their tile, do not fit on a GPU, the CPU takes over."""


def plan_batches(sizes: Sequence[Size | None], pixels: int) -> list[range]:
    """Cut the images of a shard into batches: runs of images of one size, in order.

    Only the sizes count, and not, say, which features are there already: convolutions of other batches round
    differently, and a job that resumes after it was killed has to give the features that it would have given.

    Args:
        sizes: (height, width) at which each image enters the extractor; None: it does not, and may be in any batch.
        pixels: at most so many in a batch of more than one image.

    Returns:
        The positions in each batch; together all of them.
    """
    starts, held, current = [0], 0, None
    for position, size in enumerate(sizes):
        if size is None:
            continue
        area = size[0] * size[1]
        if current is not None and (size != current or held + area > pixels):
            starts.append(position)
            held = 0
        held, current = held + area, size
    return [range(*ends) for ends in zip(starts, [*starts[1:], len(sizes)], strict=True) if ends[0] < ends[1]]


def extract_each(extract: Extract, images: Sequence[Tensor]) -> list[dict[str, Tensor] | FirstsightError]:
    """Features of every image of a batch; if the batch fails, image by image.

    Args:
        extract: from (B, 3, H, W) to features (B, C, h, w) of every layer.
        images: each (3, H, W); all of one size, unless a file was replaced after the batches had been planned.

    Returns:
        For every image its features (C, h, w), or the error that ``extract`` raised for it.
    """
    if len(images) > 1 and len({image.shape for image in images}) == 1:
        try:
            features = extract(torch.stack(tuple(images)))
            return [{layer: values[index] for layer, values in features.items()} for index in range(len(images))]
        except FirstsightError:
            # One by one they show which of them is faulty.
            pass
    return [_extract_one(extract, image) for image in images]


def _extract_one(extract: Extract, image: Tensor) -> dict[str, Tensor] | FirstsightError:
    try:
        return {layer: values[0] for layer, values in extract(image[None]).items()}
    except FirstsightError as error:
        return error


def fitting_extraction(
    extractor: Extractor, load_on_cpu: Callable[[], Extractor], note: Callable[[str], None]
) -> Extract:
    """A function from images (B, 3, H, W) to features in the CPU's memory, in parts that fit into a GPU's.

    When memory runs out, half as many pixels are computed at once (half the images of a batch, or smaller tiles of a
    large image), then half of that; in the end these images are computed on the CPU. The number that fitted is kept for
    the images that follow.

    Args:
        extractor: from `load_extractor`.
        load_on_cpu: called if not even `LEAST_PIXELS` fit.
        note: gets a line for the log whenever memory runs out.
    """
    pixels = TILE_SIZE**2
    whole = any(extractor.spec.layers[layer].reach is None for layer in extractor.layers)

    def on_device(images: Tensor) -> tuple[dict[str, Tensor], int]:
        return halved_to_fit(
            lambda amount: extract_tiled(extractor, images, pixels=amount),
            pixels,
            # With less than two images' pixels one is computed, which cannot be cut into tiles.
            least=max(LEAST_PIXELS, 2 * images.shape[2] * images.shape[3] - 1) if whole else LEAST_PIXELS,
            unit="pixels at once",
            note=note,
        )

    def extract(images: Tensor) -> dict[str, Tensor]:
        nonlocal pixels
        features, pixels = first_that_fits(
            [
                (f"with {LEAST_PIXELS:,} pixels at once", lambda: on_device(images)),
                ("on the CPU", lambda: (extract_tiled(load_on_cpu(), images), LEAST_PIXELS)),
            ],
            note,
        )
        return features

    return extract
