"""CFA (Lee et al., "CFA: Coupled-hypersphere-based Feature Adaptation for Target-Oriented Anomaly Localization", 2022).

A small network describes the cells of normal images and learns to draw them into hyperspheres round fixed centres, so
that whatever does not belong to the texture stays outside. The paper has one centre for each position of the frame, the
mean over the normal images (or k-means of these means, to save memory). Here the centres come from k-means over the
cells of all positions: a texture looks alike everywhere, and images may differ in size.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor

from firstsight.detectors.cfa_network import CfaNetwork, cfa_score
from firstsight.detectors.cfa_training import CfaSettings, train_cfa
from firstsight.detectors.layers import finest_layer
from firstsight.detectors.normal_images import (
    NormalImage,
    NormalImages,
    draw_cells,
    open_normal_images,
    read_normal_images,
    smooth_map,
    unpack_pfam,
)
from firstsight.detectors.protocol import Model
from firstsight.storage.geometry import Geometry
from firstsight.storage.stored_images import images_token
from firstsight.storage.training import Note, Progress

# How many values of cells, of their distances and of their nearest centres are held at a time: some 64 MiB.
_BLOCK_VALUES = 2**24


def fit_cfa(
    shards: Sequence[Path],
    layers: Sequence[str],
    settings: CfaSettings,
    *,
    folder: Path,
    device: str,
    note: Note,
    progress: Progress = lambda items, total: items,
) -> Model:
    """Find the centres and train the network (`protocol.Fit`), with one image and ``candidates`` cells held at a time.

    Returns:
        ``centres`` (M, D), the network's ``state`` and ``channels`` (C and D), and ``pfam``, trained with the network,
        where it is used.

    Raises:
        FirstsightError: no image has features, or training diverged.
    """
    images = open_normal_images(shards, layers, settings, device)
    channels = sum(len(values) for values in images.first().features.values())
    generator = torch.Generator().manual_seed(settings.seed)
    network = CfaNetwork(channels, settings.channels or channels, images.pfam, generator).to(device)
    centres = _find_centres(network, images, settings)
    # The settings as text, since a checkpoint would give tuples back as lists.
    header = {"settings": repr(sorted(settings.model_dump().items())), "token": images_token(images.stored)}
    best = train_cfa(
        network,
        centres,
        images.stored,
        layers,
        settings,
        folder=folder,
        header=header,
        note=note,
        progress=progress,
    )
    network.load_state_dict(best)
    return images.model(
        f"learned {len(centres)} centres from {len(images)} images",
        note,
        centres=centres.cpu(),
        channels=[network.weight.shape[1] - 2, network.weight.shape[0]],
        state={name: value for name, value in best.items() if not name.startswith("pfam.")},
    )


@torch.no_grad()
def detect_cfa(
    features: Mapping[str, Tensor],
    places: Mapping[str, Geometry],
    settings: CfaSettings,
    model: Model,
    image: str,
) -> Tensor:
    """The distance of each cell from the centres (`cfa_score`), smoothed (`protocol.Detect`)."""
    finest = features[finest_layer({layer: places[layer] for layer in features})]
    channels, descriptor = model["channels"]
    network = CfaNetwork(channels, descriptor, None, torch.Generator())
    network.load_state_dict(model["state"])
    network.pfam = unpack_pfam(model["pfam"], finest.device)
    cells = network.to(finest.device)(features, places)
    centres = model["centres"].to(finest.device)
    scores = [cfa_score(block, centres) for block in torch.split(cells, _block_size(centres))]
    return smooth_map(torch.cat(scores).view(finest.shape[1:]), settings, places)


@torch.no_grad()
def _find_centres(network: CfaNetwork, images: NormalImages, settings: CfaSettings) -> Tensor:
    """(M, D): the centres that k-means finds among cells as the untrained network describes them."""

    def describe(image: NormalImage) -> Tensor:
        cells: Tensor = network(image.features, image.places)
        return cells.T[:, :, None]

    # PFAM is in the network.
    plain = read_normal_images(images.stored, images.layers, images.device)
    drawn = draw_cells(plain, settings.candidates, settings.seed, describe)
    # There can be no more centres than different cells.
    cells = torch.unique(drawn.cells, dim=0)
    if len(cells) <= settings.centres:
        return cells
    search = MiniBatchKMeans(settings.centres, random_state=settings.seed, batch_size=4096, n_init=1, max_iter=20)
    return torch.from_numpy(search.fit(cells.cpu().numpy()).cluster_centers_).float().to(cells.device)


def _block_size(centres: Tensor) -> int:
    return max(1, _BLOCK_VALUES // (len(centres) + 4 * centres.shape[1]))
