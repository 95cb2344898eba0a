"""CFA (Lee et al., "CFA: Coupled-hypersphere-based Feature Adaptation for Target-Oriented Anomaly Localization", 2022).

Cells of normal images are described by a small network, which learns to draw them into hyperspheres round fixed
centres: what does not belong to the texture then stays outside. The paper has one centre for each position of the
frame, the mean over the normal images (or k-means of these, to save memory). Here the centres are those of k-means over
cells of all positions: a texture looks alike everywhere, and images may differ in size.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor

from firstsight.detectors.cfa_network import CfaNetwork, cfa_score
from firstsight.detectors.cfa_training import CfaTraining, train_cfa
from firstsight.detectors.layers import finest_layer
from firstsight.detectors.normal_images import (
    NormalImage,
    NormalSettings,
    attend,
    draw_cells,
    finest_stride,
    list_normal_images,
    pack_pfam,
    read_normal_image,
    read_normal_images,
    start_pfam,
    unpack_pfam,
)
from firstsight.detectors.windows import smooth
from firstsight.settings_model import Count, Positive
from firstsight.storage.geometry import Geometry
from firstsight.storage.stored_images import Stored, images_token

# Values of the cells, their distances and nearest centres that are held at a time: some 64 MiB.
_BLOCK_VALUES = 2**24

Model = Mapping[str, Any]


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
    note: Callable[[str], None],
    progress: Callable[[Iterable[Any], int], Iterable[Any]] = lambda items, total: items,
) -> Model:
    """Find the centres and train the network; one image and ``candidates`` cells are held at a time.

    Args:
        shards: stores of features of the normal images.
        layers: the layers to learn from.
        settings: of the detector.
        folder: for the checkpoints of training; if it was killed, it goes on from there.
        device: to compute on.
        note: takes lines of text for the log.
        progress: passes on the epochs of training that it is given, with their number; for a progress bar.

    Returns:
        What `detect_cfa` needs: ``centres`` (M, D), ``state`` of the network and its ``channels`` (C and D), and
        ``pfam`` where it is used.

    Raises:
        FirstsightError: no image with features, or training that diverged.
    """
    stored = list_normal_images(shards)
    network = _start_network(read_normal_image(stored[0], layers, device), settings).to(device)
    centres = _find_centres(network, stored, layers, settings, device)
    # The settings as text: tuples would be lists where a checkpoint is read.
    header = {"settings": repr(sorted(settings.model_dump().items())), "token": images_token(stored)}
    best = train_cfa(
        network,
        centres,
        stored,
        layers,
        settings.training(),
        folder=folder,
        header=header,
        note=note,
        progress=progress,
    )
    network.load_state_dict(best)
    says = f"learned {len(centres)} centres from {len(stored)} images"
    note(says)
    return {
        "n_images": len(stored),
        "says": says,
        "centres": centres.cpu(),
        "channels": [network.weight.shape[1] - 2, network.weight.shape[0]],
        "state": {name: value for name, value in best.items() if not name.startswith("pfam.")},
        "pfam": pack_pfam(network.pfam),
    }


@torch.no_grad()
def detect_cfa(
    features: Mapping[str, Tensor],
    places: Mapping[str, Geometry],
    settings: CfaSettings,
    model: Model,
    image: str,
) -> Tensor:
    """How far each cell is from the centres (`cfa_score`), smoothed: (h, w) float32 on the grid of the finest layer.

    Args:
        features: (C, h_l, w_l) of each layer.
        places: how each layer lies on the image.
        settings: of the detector.
        model: what `fit_cfa` learned.
        image: id of the image.
    """
    finest = features[finest_layer({layer: places[layer] for layer in features})]
    channels, descriptor = model["channels"]
    network = CfaNetwork(channels, descriptor, None, torch.Generator())
    network.load_state_dict(model["state"])
    network.pfam = unpack_pfam(model["pfam"], finest.device)
    cells = network.to(finest.device)(features, places)
    centres = model["centres"].to(finest.device)
    scores = [cfa_score(block, centres) for block in torch.split(cells, _block_size(centres))]
    return smooth(torch.cat(scores).view(finest.shape[1:]), settings.sigma / finest_stride(places))


def _start_network(image: NormalImage, settings: CfaSettings) -> CfaNetwork:
    pfam = start_pfam(image, settings.seed) if settings.pfam else None
    with torch.no_grad():
        channels = sum(len(values) for values in attend(image.features, pfam).values())
    generator = torch.Generator().manual_seed(settings.seed)
    return CfaNetwork(channels, settings.channels or channels, pfam, generator)


@torch.no_grad()
def _find_centres(
    network: CfaNetwork, stored: Sequence[Stored], layers: Sequence[str], settings: CfaSettings, device: str
) -> Tensor:
    """(M, D): centres of k-means over cells as the untrained network describes them."""

    def describe(image: NormalImage) -> Tensor:
        found: Tensor = network(image.features, image.places)
        return found.T[:, :, None]

    drawn = draw_cells(read_normal_images(stored, layers, device), settings.candidates, settings.seed, describe)
    # Of equal cells no more centres can be made than there are different ones.
    cells = torch.unique(drawn.cells, dim=0)
    if len(cells) <= settings.centres:
        return cells
    found = MiniBatchKMeans(settings.centres, random_state=settings.seed, batch_size=4096, n_init=1, max_iter=20)
    return torch.from_numpy(found.fit(cells.cpu().numpy()).cluster_centers_).float().to(cells.device)


def _block_size(centres: Tensor) -> int:
    return max(1, _BLOCK_VALUES // (len(centres) + 4 * centres.shape[1]))
