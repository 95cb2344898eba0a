"""SBM, the shape-biased module: a pretrained extractor, tuned to a collection's normal images by a jigsaw.

Source: Yuan et al., Anomaly Detection of Industrial Products Considering both Texture and Shape Information, 2023,
section 3.1. Crops of the images, half of them with a synthetic defect, are cut into n x n tiles and put together again
in one of P orders; the extractor, with a classifier on its last layer, learns by cross-entropy (Eq. 1) which order it
was. The texture of a single tile does not tell. Where the paper gives no details, we chose:

- n = 3 and P = 30, as in JiGen (Carlucci et al. 2019). The classifier is one linear layer on the mean of the features
  over each of the n x n tiles.
- All layers up to the last are tuned. Batch normalisation keeps its statistics: those of a few crops of one texture
  would make all images of that texture look the same.
- The order shows in the content of the tiles and in how their edges meet. A texture that looks the same everywhere
  hardly has an order (the paper tunes to objects only, and uses PFAM alone for textures), and searching for one only
  makes the features worse. So unless the validation loss falls a tenth below that of guessing, nothing is changed.
- Every fifth image is held out for validation, and the weights of the epoch with the smallest validation loss are kept.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from firstsight.collections.images import inspect_image
from firstsight.collections.readers import ImageFile
from firstsight.errors import FirstsightError
from firstsight.features.registry import find_extractor, find_layers
from firstsight.features.sbm_crops import InputSize, draw_crops
from firstsight.features.sbm_jigsaw import choose_permutations
from firstsight.features.sbm_settings import SbmSettings
from firstsight.features.sbm_training import Drawn, make_jigsaw_network, train_jigsaw
from firstsight.features.state_dicts import load_state_dict
from firstsight.features.weights import resolve_weights

# One image in this many is held out for validation.
_HELD_OUT = 5
# A jigsaw counts as learned if its validation loss is at most this share of the loss of guessing.
_LEARNED = 0.9


def tune_extractor(
    images: Sequence[Path],
    *,
    extractor: str,
    weights: str | None,
    image_size: InputSize,
    settings: SbmSettings,
    device: str,
    folder: Path,
    note: Callable[[str], None] = lambda line: None,
    progress: Callable[[Iterable[int], int], Iterable[int]] = lambda items, total: items,
) -> dict[str, Tensor]:
    """Tune an extractor to normal images, which are read one at a time when they are needed.

    After every epoch a checkpoint is written into ``folder``; killed tuning resumes from it and, on a CPU with the same
    number of threads, ends with exactly the same weights.

    Args:
        images: files of normal images, of any sizes, in a fixed order; those that are unreadable or of a single colour
            are left out.
        extractor: one with weights; it sees images with reflecting borders.
        weights: the weights to begin with, as in `load_extractor`.
        image_size: from an image's height and width to those at which it enters the extractor.
        settings: of the jigsaw and of the training.
        device: to train on.
        folder: for the checkpoint; it is created.
        note: receives one line of text per epoch, and one for every image left out.
        progress: passes on the epochs that it is given, with their number; for a progress bar.

    Returns:
        All entries of the initial weights, on the CPU, tuned up to ``settings.layer`` (unchanged if the jigsaw was not
        learned); written by torch.save, they are a weights file of this extractor.

    Raises:
        FirstsightError: an extractor without weights, unavailable weights, no usable image, or a loss that is no longer
            finite.
    """
    spec = find_extractor(extractor)
    if not spec.needs_weights:
        raise FirstsightError(f"extractor {extractor} has no weights to tune")
    layer = find_layers(extractor, settings.layer or spec.context_layers or None)[-1]
    usable = _usable_images(images, image_size, note)
    held_out = [path for path, _ in usable[::_HELD_OUT]]
    trained_on = [path for index, (path, _) in enumerate(usable) if index % _HELD_OUT]
    if not trained_on:
        note("there is one image only: its crops serve for validation, too")
        trained_on = held_out
    generator = torch.Generator().manual_seed(settings.seed)
    permutations = choose_permutations(settings.grid**2, settings.permutations, generator)
    state_dict, sha256 = load_state_dict(resolve_weights(extractor, weights))

    network = make_jigsaw_network(extractor, layer, state_dict, settings, device)

    def draw(paths: Sequence[Path], count: int, seed: int) -> Drawn:
        return draw_crops(
            paths,
            count,
            permutations,
            torch.Generator().manual_seed(seed),
            image_size=image_size,
            grid=settings.grid,
            tile_size=settings.tile_size,
            defects=settings.defects,
        )

    seeds = torch.randint(2**53, (1 + settings.epochs,), generator=generator).tolist()
    best, epoch = train_jigsaw(
        network,
        lambda epoch: draw(trained_on, settings.crops_per_epoch, seeds[1 + epoch]),
        draw(held_out, settings.validation_crops, seeds[0]),
        settings,
        token={"extractor": extractor, "weights": sha256} | {str(path): key for path, key in usable},
        folder=folder,
        note=note,
        progress=progress,
    )
    note(
        f"tuned {extractor} to {layer} on {len(trained_on)} images: {epoch.measures['accuracy']:.0%} of the "
        f"permutations found in {len(held_out)} held-out images, {1 / settings.permutations:.0%} by chance"
    )
    guessing = math.log(settings.permutations)
    if epoch.validation_loss > _LEARNED * guessing:
        note(
            f"the jigsaw was not learned (validation loss {epoch.validation_loss:.4f}, by guessing {guessing:.4f}): "
            "the weights stay as they were; where every part looks like every other, there is no shape to learn"
        )
        return state_dict
    # The trunk counts batches, which a weights file need not do.
    return state_dict | {name: value for name, value in best.items() if name in state_dict}


def _usable_images(
    images: Sequence[Path], image_size: InputSize, note: Callable[[str], None]
) -> list[tuple[Path, str]]:
    """The path of every usable image, and a text that identifies its content and the size at which it is used."""
    usable = []
    for path in images:
        row = inspect_image(ImageFile(path.name, path, None, (), None))
        if row["status"] == "ok":
            height, width = image_size(int(row["height"] or 0), int(row["width"] or 0))
            usable.append((path, f"{row['sha256']} {height} x {width}"))
        else:
            note(f"{str(path)!r} is left out: {row['status']}")
    if not usable:
        raise FirstsightError(f"none of the {len(images)} images to tune the extractor with can be used")
    return usable
