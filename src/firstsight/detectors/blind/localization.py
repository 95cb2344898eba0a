"""The detector ``blind``: which parts of an image are rare in its collection, without labels or normal images.

Two kinds of evidence are multiplied, neighbours by the power of `NEIGHBOUR_POWER`:

- correspondence: feature correspondence analysis (FCA) of the features, or of the residuals that an autoencoder of the
  whole collection leaves of them ("Classifying Texture Anomalies at First Sight", Ardelean and Weyrich, 2024);
- neighbours: the distance to the nearest cells of the other images (`neighbours.neighbour_distance`).

Each is made layer by layer, levelled along the borders, and fused over the layers as the maps of FCA are
(`layers.fuse_maps`), so that ``neighbours: false`` is FCA itself.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from firstsight.detectors.blind.autoencoder import Autoencoder, residual
from firstsight.detectors.blind.cells import CellSource
from firstsight.detectors.blind.neighbours import Bank, draw_bank, neighbour_distance
from firstsight.detectors.blind.pooled import pooled_reference
from firstsight.detectors.blind.settings import AutoencoderSettings, BlindSettings
from firstsight.detectors.blind.training import train_autoencoder
from firstsight.detectors.borders import level_borders
from firstsight.detectors.layers import LEAST_SCORE, automatic_patch_size, fuse_maps, scale_channels
from firstsight.detectors.patch_statistics import fca
from firstsight.detectors.protocol import Model
from firstsight.storage.geometry import Geometry
from firstsight.storage.stored_images import Stored, images_token, random_images, stored_images
from firstsight.storage.training import Note, Progress

FEWEST_IMAGES = 5
"""From fewer images nothing is learned: each is searched by itself, as the detector ``fca`` does."""

NEIGHBOUR_POWER = 0.25
"""Neighbours tell images apart, FCA tells pixels apart: at equal powers outlines suffer where textures vary from image
to image (docs/methods.md)."""


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
    learned = {
        layer: _learn_layer(
            shards,
            images,
            layer,
            settings,
            folder=folder / layer,
            device=device,
            note=_prefixed(note, layer),
            progress=progress,
        )
        for layer in layers
    }
    return {"n_images": len(images), "says": f"learned from {len(images)} images", "layers": learned}


def detect_blind(
    features: Mapping[str, Tensor],
    places: Mapping[str, Geometry],
    settings: BlindSettings,
    model: Model,
    image: str,
) -> Tensor:
    """An image's evidence, fused over the layers and multiplied (`protocol.Detect`).

    Where there were fewer than 5 images to learn from, the map is that of FCA.
    """
    learned = model["layers"]

    def fused(layer_map: Callable[[str], Tensor]) -> Tensor:
        """The maps of one kind of evidence, levelled and fused."""
        maps = {layer: layer_map(layer) for layer in features}
        if settings.level_borders:
            maps = {layer: level_borders(maps[layer], _patch_size(settings, places[layer]) + 1) for layer in features}
        return fuse_maps(maps, places)

    def correspondence_map(layer: str) -> Tensor:
        kind = settings.correspondence if learned else "features"
        return _correspondence(kind, features[layer], learned.get(layer, {}), settings, places[layer])

    def neighbour_map(layer: str) -> Tensor:
        return _neighbours(features[layer], learned[layer], settings, image)

    if learned and settings.correspondence == "none":
        return fused(neighbour_map)
    correspondence = fused(correspondence_map)
    if not learned or not settings.neighbours:
        return correspondence
    neighbours = fused(neighbour_map)
    # Where half of the image or more is a copy of others, neighbours cannot say what is usual.
    least = LEAST_SCORE * neighbours.median()
    return correspondence * neighbours.clamp(min=least) ** NEIGHBOUR_POWER if least > 0 else correspondence


def _learn_layer(
    shards: Sequence[Path],
    images: Sequence[Stored],
    layer: str,
    settings: BlindSettings,
    *,
    folder: Path,
    device: str,
    note: Note,
    progress: Progress,
) -> dict[str, Any]:
    """Everything learned on one layer: an autoencoder, a bank, a reference, as far as the settings need them."""
    learned: dict[str, Any] = {}
    if settings.correspondence == "residuals":
        source = CellSource(shards, layer)
        training = train_autoencoder(
            source,
            settings.autoencoder(),
            folder=folder,
            token=images_token(images),
            device=device,
            note=note,
            progress=progress,
        )
        learned["autoencoder"] = {"channels": source.channels, "state": training.best}
    if settings.correspondence == "pooled":
        sample = random_images(images, settings.sampled_images, settings.seed)
        patch_size = settings.patch_size or automatic_patch_size(_place(sample, layer))
        learned["reference"] = pooled_reference(sample, layer, patch_size, settings.seed)
        learned["patch_size"] = patch_size
    if settings.neighbours:
        bank = draw_bank(
            images,
            layer,
            count=settings.bank_images,
            cells=settings.bank_cells,
            share=settings.neighbour_share if settings.local_density else None,
            seed=settings.seed,
        )
        learned["bank"] = {"cells": bank.cells, "local": bank.local, "images": list(bank.images)}
    return learned


def _correspondence(
    kind: str, values: Tensor, learned: Mapping[str, Any], settings: BlindSettings, place: Geometry
) -> Tensor:
    """FCA of one layer. The windows of the pooled reference are as large in every image."""
    return fca(
        residual(_autoencoder(learned["autoencoder"], settings.autoencoder(), values.device), values)
        if kind == "residuals"
        else scale_channels(values),
        patch_size=learned["patch_size"] if kind == "pooled" else _patch_size(settings, place),
        sigma_p=settings.sigma_p,
        sigma_s=settings.sigma_s,
        reference=learned["reference"] if kind == "pooled" else "median",
    )


def _neighbours(values: Tensor, learned: Mapping[str, Any], settings: BlindSettings, image: str) -> Tensor:
    kept = learned["bank"]
    bank = Bank(kept["cells"].to(values.device), kept["local"].to(values.device), tuple(kept["images"]))
    return neighbour_distance(values, bank, share=settings.neighbour_share, image=image)


def _patch_size(settings: BlindSettings, place: Geometry) -> int:
    return settings.patch_size or automatic_patch_size(place)


def _autoencoder(learned: Mapping[str, Any], built: AutoencoderSettings, device: torch.device) -> Autoencoder:
    model = Autoencoder(learned["channels"], built.hidden, built.latent)
    model.load_state_dict(learned["state"])
    return model.to(device)


def _place(sample: Sequence[Stored], layer: str) -> Geometry:
    reader, key = sample[0]
    return Geometry(**reader.attributes(key)["geometry"][layer])


def _prefixed(note: Note, layer: str) -> Note:
    return lambda line: note(f"{layer}: {line}")
