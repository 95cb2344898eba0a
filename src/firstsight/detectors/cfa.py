"""CFA (Lee et al., "CFA: Coupled-hypersphere-based Feature Adaptation for Target-Oriented Anomaly Localization", 2022).

Cells of normal images are described by a small network, which learns to draw them into hyperspheres round fixed
centres: what does not belong to the texture then stays outside. The paper has one centre for each position of the
frame, the mean over the normal images (or k-means of these, to save memory). Here the centres are those of k-means over
cells of all positions: a texture looks alike everywhere, and images may differ in size.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor

from firstsight.detectors.cfa_network import CfaNetwork, cfa_score
from firstsight.detectors.cfa_training import CfaTraining, train_cfa
from firstsight.detectors.layers import finest_layer
from firstsight.detectors.normal_images import (
    NormalImage,
    NormalImages,
    NormalSettings,
    draw_cells,
    open_normal_images,
    read_normal_images,
    smooth_map,
    unpack_pfam,
)
from firstsight.detectors.protocol import Model
from firstsight.settings_model import Count, Positive
from firstsight.storage.geometry import Geometry
from firstsight.storage.stored_images import images_token
from firstsight.storage.training import Note, Progress

# Values of the cells, their distances and nearest centres that are held at a time: some 64 MiB.
_BLOCK_VALUES = 2**24


class CfaSettings(NormalSettings):
    """What CFA learns."""

    channels: Count | None = None
    """Channels of the descriptors; null: as many as the joined layers have."""
    centres: Count = 1000
    """Centres of hyperspheres."""
    candidates: Count = 20_000
    """Cells, drawn at random from those of all normal images, of which the centres are made."""
    epochs: Count = 30
    """Epochs of training, at most."""
    images_per_epoch: Count = 256
    """Normal images that an epoch sees, at most."""
    cells_per_image: Count = 1024
    """Cells of each of them, at most."""
    learning_rate: Positive = 1e-3
    """Of training."""
    patience: Count = 5
    """Epochs without a smaller loss after which training ends."""

    def training(self) -> CfaTraining:
        """How the network is trained."""
        return CfaTraining(
            epochs=self.epochs,
            images_per_epoch=self.images_per_epoch,
            cells_per_image=self.cells_per_image,
            learning_rate=self.learning_rate,
            patience=self.patience,
            seed=self.seed,
        )


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
    """Find the centres and train the network (`protocol.Fit`); one image and ``candidates`` cells are held at a time.

    Returns:
        ``centres`` (M, D), ``state`` of the network and its ``channels`` (C and D), and ``pfam``, trained with it,
        where it is used.

    Raises:
        FirstsightError: no image with features, or training that diverged.
    """
    images = open_normal_images(shards, layers, settings, device)
    channels = sum(len(values) for values in images.first().features.values())
    generator = torch.Generator().manual_seed(settings.seed)
    network = CfaNetwork(channels, settings.channels or channels, images.pfam, generator).to(device)
    centres = _find_centres(network, images, settings)
    # The settings as text: tuples would be lists where a checkpoint is read.
    header = {"settings": repr(sorted(settings.model_dump().items())), "token": images_token(images.stored)}
    best = train_cfa(
        network,
        centres,
        images.stored,
        layers,
        settings.training(),
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
    """How far each cell is from the centres (`cfa_score`), smoothed (`protocol.Detect`)."""
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
    """(M, D): centres of k-means over cells as the untrained network describes them."""

    def describe(image: NormalImage) -> Tensor:
        cells: Tensor = network(image.features, image.places)
        return cells.T[:, :, None]

    # PFAM is in the network.
    plain = read_normal_images(images.stored, images.layers, images.device)
    drawn = draw_cells(plain, settings.candidates, settings.seed, describe)
    # Of equal cells no more centres can be made than there are different ones.
    cells = torch.unique(drawn.cells, dim=0)
    if len(cells) <= settings.centres:
        return cells
    search = MiniBatchKMeans(settings.centres, random_state=settings.seed, batch_size=4096, n_init=1, max_iter=20)
    return torch.from_numpy(search.fit(cells.cpu().numpy()).cluster_centers_).float().to(cells.device)


def _block_size(centres: Tensor) -> int:
    return max(1, _BLOCK_VALUES // (len(centres) + 4 * centres.shape[1]))
