"""Train the autoencoder of blind localization on random cells and on whole images, and draw both curves.

    python docs/autoencoder_curve.py curve.png results/<collection>/features/<extractor>-<fingerprint>/*.zarr.zip

The curves are printed as CSV: validation error (mean squared error of cells that no training saw) against compute
(cells trained on, and seconds). Whole images are trained on as the paper's authors do: batches of 8 images with all
their cells, AdamW with a constant learning rate of 1e-4 and weight decay 0.1, 1,300 steps.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import pandas
import torch
from torch import Tensor

from firstsight.detectors.blind.autoencoder import Autoencoder, autoencoder_loss
from firstsight.detectors.blind.cells import HELD_OUT_EVERY, CellSource
from firstsight.detectors.blind.settings import AutoencoderSettings
from firstsight.detectors.blind.training import train_autoencoder
from firstsight.detectors.layers import scale_channels
from firstsight.storage.store import ShardReader

COLUMNS = ["training", "cells", "validation_error", "seconds"]
IMAGES_PER_STEP = 8
PAPER_LEARNING_RATE = 1e-4
STEPS_PER_POINT = 25


def main() -> None:
    """Train three times: random cells, those with the paper's learning rate, whole images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, help="the PNG to draw")
    parser.add_argument("shards", type=Path, nargs="+", help="stores of features")
    parser.add_argument("--layer", default="layer2")
    parser.add_argument("--steps", type=int, default=1300, help="of whole-image training")
    parser.add_argument(
        "--cells-per-epoch", type=int, default=AutoencoderSettings().cells_per_epoch, help="random cells"
    )
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    source = CellSource(given.shards, given.layer, threads=given.threads)
    settings = AutoencoderSettings(cells_per_epoch=given.cells_per_epoch)
    slow = settings.model_copy(update={"learning_rate": PAPER_LEARNING_RATE})
    rows = [
        *train_on_cells("random cells", source, settings),
        *train_on_cells(f"random cells, learning rate {PAPER_LEARNING_RATE:g}", source, slow),
        *train_on_images("whole images", source, given.shards, settings, given.steps),
    ]
    curves = pandas.DataFrame(rows, columns=COLUMNS)
    curves.to_csv(sys.stdout, index=False, float_format="%.6g")
    draw(curves, given.picture)


def train_on_cells(name: str, source: CellSource, settings: AutoencoderSettings) -> list[tuple]:
    """The training of firstsight, one row an epoch."""
    start, seconds = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        trained = train_autoencoder(
            source,
            settings,
            folder=Path(folder),
            note=lambda line: seconds.append(time.perf_counter() - start),
        )
    cells = settings.cells_per_epoch
    return [
        (name, number * cells, epoch.measures["error"], spent)
        for number, (epoch, spent) in enumerate(zip(trained.curve, seconds, strict=False), start=1)
    ]


def train_on_images(
    name: str, source: CellSource, shards: list[Path], settings: AutoencoderSettings, steps: int
) -> Iterator[tuple]:
    """The authors' training from the same start, judged by the same held-out cells; one row every so many steps."""
    generator = torch.Generator().manual_seed(settings.seed)
    held_out = source.draw(settings.validation_cells, torch.Generator().manual_seed(settings.seed), held_out=True)
    model = Autoencoder(source.channels, settings.hidden, settings.latent, generator)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=PAPER_LEARNING_RATE, weight_decay=settings.weight_decay, fused=True
    )
    start, cells = time.perf_counter(), 0
    images = endless_images(shards, generator)
    for step in range(1, steps + 1):
        batch = torch.cat([training_cells(*next(images), source.layer) for _ in range(IMAGES_PER_STEP)])
        optimizer.zero_grad()
        autoencoder_loss(model, batch, settings.kl_weight, generator).total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        cells += len(batch)
        if step % STEPS_PER_POINT == 0:
            with torch.no_grad():
                error = autoencoder_loss(model, held_out, settings.kl_weight).squared_error.item()
            yield name, cells, error, time.perf_counter() - start


def endless_images(shards: list[Path], generator: torch.Generator) -> Iterator[tuple[ShardReader, str]]:
    """All usable images in random order, again and again."""
    readers = [ShardReader(path) for path in shards]
    entries = [(reader, key) for reader in readers for key in list(reader.keys())]
    usable = [(reader, key) for reader, key in entries if reader.attributes(key)["status"] == "ok"]
    while True:
        yield from (usable[image] for image in torch.randperm(len(usable), generator=generator))


def training_cells(reader: ShardReader, key: str, layer: str) -> Tensor:
    """(cells, C): all scaled cells of an image but the held-out ones."""
    cells = scale_channels(torch.from_numpy(reader.read(key, layer))).flatten(1).T
    return cells[torch.arange(len(cells)) % HELD_OUT_EVERY != 0]


def draw(curves: pandas.DataFrame, picture: Path) -> None:
    """Validation error against cells trained on, both on logarithmic axes."""
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, curve in curves.groupby("training", sort=False):
        axes.loglog(curve["cells"], curve["validation_error"], marker=".", label=name)
    axes.set(xlabel="cells trained on", ylabel="validation error (mean squared)")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main()
