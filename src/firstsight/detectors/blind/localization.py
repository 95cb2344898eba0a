"""The detector ``blind``: which parts of an image are rare in its collection, without labels or normal images.

Two kinds of evidence are gathered on every layer, brought to common units and averaged:

- correspondence: feature correspondence analysis (FCA) of the features, or of the residuals that an autoencoder of the
  whole collection leaves of them ("Classifying Texture Anomalies at First Sight", Ardelean and Weyrich, 2024);
- neighbours: the distance to the nearest cells of the other images (`neighbours.neighbour_distance`).

Each kind is measured from the median of its scores over a sample of the collection, in units of their robust deviation;
beyond 10 units a score counts by its logarithm. Where anomalies are rare, residuals show them better than features;
where every other image has one, the autoencoder learns the anomalies too. ``correspondence: auto`` makes both and
compares, on each layer, how far the tails of their scores reach (99th percentile, in their own units): residuals are
kept where their tail reaches a fifth further, features otherwise.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import model_validator
from scipy.stats import median_abs_deviation
from torch import Tensor

from firstsight.detectors.blind.autoencoder import Autoencoder, AutoencoderSettings, residual
from firstsight.detectors.blind.cells import CellSource
from firstsight.detectors.blind.neighbours import Bank, draw_bank, neighbour_distance
from firstsight.detectors.blind.pooled import pooled_reference
from firstsight.detectors.blind.training import train_autoencoder
from firstsight.detectors.borders import level_borders
from firstsight.detectors.layers import automatic_patch_size, finest_layer, read_at, scale_channels
from firstsight.detectors.patch_statistics import fca
from firstsight.detectors.protocol import Model
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
from firstsight.storage.geometry import Geometry
from firstsight.storage.stored_images import Stored, images_token, random_images, stored_images
from firstsight.storage.training import Note, Progress

FEWEST_IMAGES = 5
"""From fewer images nothing is learned: each is searched by itself, as the detector ``fca`` does."""

TAIL = 0.99
LEAD = 1.2
"""How much further the tail of residuals must reach. On the development sets it reached 1.3 to 1.9 times as far where
residuals localized better than features, and at most 1.1 times where they did worse."""

TAMED_BEYOND = 10.0
_SAMPLED_CELLS = 4096
_AUTOENCODER = AutoencoderSettings()

Evidence = Literal["features", "residuals", "pooled", "neighbours"]


class BlindSettings(SettingsModel):
    """What the detector ``blind`` looks at."""

    layers: Layers | None = None
    """Feature layers; null: the extractor's own choice."""
    correspondence: Literal["auto", "features", "residuals", "pooled", "none"] = "auto"
    """What feature correspondence analysis is made of: features, residuals (both against the image's own median
    window), pooled (features against a median window of the whole collection), none, or auto (see the top of this
    module)."""
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
    sampled_images: Count = 64
    """Images from which the units of the evidences are found."""
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

    def evidence(self) -> tuple[Evidence, ...]:
        """The kinds of evidence that are gathered."""
        either: dict[str, tuple[Evidence, ...]] = {"auto": ("features", "residuals"), "none": ()}
        chosen: tuple[Evidence, ...] = either.get(self.correspondence, (self.correspondence,))  # type: ignore[arg-type]
        return (*chosen, "neighbours") if self.neighbours else chosen


def fit_blind(
    shards: Sequence[Path],
    layers: Sequence[str],
    settings: BlindSettings,
    *,
    folder: Path,
    device: str,
    note: Note,
    progress: Progress = lambda items, total: items,
) -> Model:
    """Learn from all images of a collection what they have in common (`protocol.Fit`).

    Memory does not grow with the collection: cells are drawn from it, some thousands at a time.

    Raises:
        FirstsightError: a shard is damaged, or images differ in their number of channels.
    """
    images = stored_images(shards)
    if len(images) < FEWEST_IMAGES:
        says = f"{len(images)} images are too few to learn from: each is searched by itself, as by fca"
        note(says)
        return {"n_images": len(images), "says": says, "layers": {}}
    token = images_token(images)
    learned = {}
    for layer in layers:
        say = _prefixed(note, layer)
        autoencoder = None
        if "residuals" in settings.evidence():
            source = CellSource(shards, layer)
            training = train_autoencoder(
                source,
                settings.autoencoder(),
                folder=folder / layer,
                token=token,
                device=device,
                note=say,
                progress=progress,
            )
            autoencoder = {"channels": source.channels, "state": training.best}
        learned[layer] = _learn_layer(images, layer, settings, autoencoder, note=say, progress=progress)
    kept = "; ".join(f"{layer}: {' and '.join(values['units'])}" for layer, values in learned.items())
    return {"n_images": len(images), "says": f"learned from {len(images)} images ({kept})", "layers": learned}


def detect_blind(
    features: Mapping[str, Tensor],
    places: Mapping[str, Geometry],
    settings: BlindSettings,
    model: Model,
    image: str,
) -> Tensor:
    """The mean of an image's evidence over all layers (`protocol.Detect`).

    Where there were fewer than 5 images to learn from, the map is that of FCA.
    """
    finest = finest_layer({layer: places[layer] for layer in features})
    shape = (features[finest].shape[1], features[finest].shape[2])
    maps = []
    for layer, values in features.items():
        if model["layers"]:
            learned = model["layers"][layer]
            layer_map = _layer_map(values, learned, settings, learned["patch_size"], image)
        else:
            patch_size = settings.patch_size or automatic_patch_size(places[layer])
            layer_map = _evidence_map("features", values, {}, settings, patch_size=patch_size, image=image)
        maps.append(layer_map if layer == finest else read_at(layer_map, shape, places[finest], places[layer]))
    return torch.stack(maps).mean(dim=0)


def _learn_layer(
    images: Sequence[Stored],
    layer: str,
    settings: BlindSettings,
    autoencoder: Mapping[str, Any] | None,
    *,
    note: Note,
    progress: Progress,
) -> dict[str, Any]:
    """Everything learned on one layer: a bank, a reference, and the units of each kind of evidence that is kept."""
    sample = random_images(images, settings.sampled_images, settings.seed)
    patch_size = settings.patch_size or automatic_patch_size(_place(sample, layer))
    learned: dict[str, Any] = {"patch_size": patch_size}
    if autoencoder is not None:
        learned["autoencoder"] = autoencoder
    if settings.neighbours:
        bank = draw_bank(images, layer, count=settings.bank_images, cells=settings.bank_cells, seed=settings.seed)
        learned["bank"] = {"cells": bank.cells, "images": list(bank.images)}
    if settings.correspondence == "pooled":
        learned["reference"] = pooled_reference(sample, layer, patch_size, settings.seed)
    scores = _sample_scores(progress(sample, len(sample)), layer, settings, learned, patch_size)
    units = {evidence: _unit(values) for evidence, values in scores.items()}
    if settings.correspondence == "auto":
        tails = {evidence: units[evidence]["tail"] for evidence in ("features", "residuals")}
        kept, dropped = (
            ("residuals", "features") if tails["residuals"] > LEAD * tails["features"] else ("features", "residuals")
        )
        note(f"fca of {kept} (tail {tails[kept]:.2f}) is used, not of {dropped} (tail {tails[dropped]:.2f})")
        del units[dropped]
        if dropped == "residuals":
            del learned["autoencoder"]
    return learned | {"units": units}


def _sample_scores(
    sample: Iterable[Stored], layer: str, settings: BlindSettings, learned: Mapping[str, Any], patch_size: int
) -> dict[str, NDArray[np.float32]]:
    """Scores of some cells of the sampled images, by kind of evidence."""
    generator = torch.Generator().manual_seed(settings.seed)
    gathered = {evidence: [torch.zeros(0)] for evidence in settings.evidence()}
    for reader, key in sample:
        image = str(reader.attributes(key)["image"])
        values = torch.from_numpy(reader.read(key, layer))
        # Features smaller than a patch get no map; detection gives their image a status that says so.
        if min(values.shape[1:]) < patch_size:
            continue
        picked = torch.randint(values[0].numel(), (_SAMPLED_CELLS,), generator=generator)
        for evidence, scores in gathered.items():
            evidence_map = _evidence_map(evidence, values, learned, settings, patch_size=patch_size, image=image)
            scores.append(evidence_map.flatten()[picked])
    return {evidence: torch.cat(scores).numpy() for evidence, scores in gathered.items()}


def _unit(scores: NDArray[np.float32]) -> dict[str, float]:
    """Median and robust deviation of scores, and how far their 99th percentile lies out in these units."""
    if scores.size == 0:
        return {"median": 0.0, "deviation": 0.0, "tail": 0.0}
    median = float(np.median(scores))
    deviation = float(median_abs_deviation(scores, scale="normal")) or float(np.abs(scores - median).mean())
    tail = (float(np.quantile(scores, TAIL)) - median) / deviation if deviation > 0 else 0.0
    return {"median": median, "deviation": deviation, "tail": tail}


def _layer_map(
    values: Tensor, learned: Mapping[str, Any], settings: BlindSettings, patch_size: int, image: str
) -> Tensor:
    """Mean of one layer's evidence in its units; a kind that does not vary over the collection says nothing."""
    total = torch.zeros(values.shape[1:], device=values.device)
    for evidence, unit in learned["units"].items():
        if unit["deviation"] > 0:
            evidence_map = _evidence_map(evidence, values, learned, settings, patch_size=patch_size, image=image)
            total += _tamed((evidence_map - unit["median"]) / unit["deviation"]) / len(learned["units"])
    return total


def _tamed(scores: Tensor) -> Tensor:
    """Beyond `TAMED_BEYOND` scores grow as their logarithm, so that one kind of evidence does not silence the rest."""
    return torch.where(
        scores > TAMED_BEYOND, TAMED_BEYOND * (1 + torch.log(scores.clamp(min=1) / TAMED_BEYOND)), scores
    )


def _evidence_map(
    evidence: str, values: Tensor, learned: Mapping[str, Any], settings: BlindSettings, *, patch_size: int, image: str
) -> Tensor:
    if evidence == "neighbours":
        bank = Bank(learned["bank"]["cells"].to(values.device), tuple(learned["bank"]["images"]))
        evidence_map = neighbour_distance(values, bank, share=settings.neighbour_share, image=image)
    else:
        evidence_map = _correspondence_map(evidence, values, learned, settings, patch_size)
    return level_borders(evidence_map, patch_size + 1) if settings.level_borders else evidence_map


def _correspondence_map(
    evidence: str, values: Tensor, learned: Mapping[str, Any], settings: BlindSettings, patch_size: int
) -> Tensor:
    reference: Tensor | Literal["median"] = "median"
    if evidence == "residuals":
        searched = residual(_autoencoder(learned["autoencoder"], values.device), values)
    else:
        searched = scale_channels(values)
    if evidence == "pooled":
        reference = learned["reference"]
    return fca(
        searched,
        patch_size=patch_size,
        sigma_p=settings.sigma_p,
        sigma_s=settings.sigma_s,
        reference=reference,
    )


def _autoencoder(learned: Mapping[str, Any], device: torch.device) -> Autoencoder:
    model = Autoencoder(learned["channels"], _AUTOENCODER.hidden, _AUTOENCODER.latent)
    model.load_state_dict(learned["state"])
    return model.to(device)


def _place(sample: Sequence[Stored], layer: str) -> Geometry:
    reader, key = sample[0]
    return Geometry(**reader.attributes(key)["geometry"][layer])


def _prefixed(note: Note, layer: str) -> Note:
    return lambda line: note(f"{layer}: {line}")
