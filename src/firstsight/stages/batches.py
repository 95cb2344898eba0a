"""Images that go through an extractor together: which, and what is done where they do not fit or do not go."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from firstsight.errors import FirstsightError
from firstsight.features.extractor import Extractor
from firstsight.features.tiling import TILE_SIZE, extract_tiled
from firstsight.stages.devices import first_that_fits, halved_to_fit

Size = tuple[int, int]
Extract = Callable[[Tensor], dict[str, Tensor]]

BATCH_PIXELS = {"cuda": TILE_SIZE**2, "cpu": 128**2}
"""Most pixels of a batch, by kind of device. A GPU has to be filled. On a CPU only tiny images are faster together:
larger batches outgrow its caches between the layers."""
LEAST_PIXELS = 256**2
"""Where so many pixels at once, with the margin of their tile, do not fit on a GPU, the CPU takes over."""


def plan_batches(sizes: Sequence[Size | None], pixels: int) -> list[range]:
    """Cut the images of a shard into batches: runs of images of one size, in order.

    What else is known of an image, such as whether its features are there already, plays no part: convolutions of other
    batches round differently, and a job that goes on after a kill is to give what it would have given.

    Args:
        sizes: (height, width) at which each image enters the extractor; None: it does not, and joins any batch.
        pixels: most of them in a batch of more than one image.

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
    """Features of every image of a batch; where they do not go together, of each for itself.

    Args:
        extract: from (B, 3, H, W) to features (B, C, h, w) of every layer.
        images: each (3, H, W); of one size, but for a file that was replaced after the batches had been planned.

    Returns:
        For every image its features (C, h, w), or why ``extract`` takes none of it.
    """
    if len(images) > 1 and len({image.shape for image in images}) == 1:
        try:
            features = extract(torch.stack(tuple(images)))
            return [{layer: values[index] for layer, values in features.items()} for index in range(len(images))]
        except FirstsightError:
            # One of them is not as it should be: one by one shows which.
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
    """A function from images (B, 3, H, W) to features on the CPU, in parts that fit into a GPU's memory.

    Where memory runs out, half as many pixels are computed at once (of a batch half of the images, of a large image
    smaller tiles), then half of that, and at last the images at hand on the CPU. What fitted is kept for those to come.

    Args:
        extractor: from `load_extractor`.
        load_on_cpu: called where not even `LEAST_PIXELS` fit.
        note: told in a line whenever memory ran out.
    """
    pixels = TILE_SIZE**2

    def on_device(images: Tensor) -> tuple[dict[str, Tensor], int]:
        return halved_to_fit(
            lambda amount: extract_tiled(extractor, images, pixels=amount),
            pixels,
            least=LEAST_PIXELS,
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
