"""Three models of anomalib (https://github.com/open-edge-platform/anomalib), without its engine.

Each takes the places of the images to learn from and of those to search, and hands back what it finds in the latter.
The trunk is ResNet18 with the weights that are given. All but what is said here has the defaults of anomalib.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from anomalib.data import InferenceBatch
from anomalib.models.image.mh_patchcore.torch_model import MHPatchcoreModel
from anomalib.models.image.padim.torch_model import PadimModel
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
from torch import Tensor, nn

from found import Found, batches, to_image
from piles import Pile

TRUNK = "resnet18"
REMEMBERED = 0.1, 1000
"""PatchCore keeps a tenth of the cells, its default, but at most as many as MH-PatchCore does by default: to choose a
tenth of the cells of 100 images takes ten minutes on one core, and the time grows with the square of their number."""


@torch.no_grad()
def padim(pile: Pile, learned: Sequence[int], searched: Sequence[int], weights: Path) -> Iterator[Found]:
    """PaDiM (Defard et al., 2021) on layers 1 to 3: a Gaussian for every place of the frame."""
    model = PadimModel(backbone=TRUNK, layers=["layer1", "layer2", "layer3"], pre_trained=False)
    load_trunk(model.feature_extractor.feature_extractor, weights)
    model.train()
    for batch in batches(pile, learned):
        model(batch)
    model.fit()
    yield from _search(model, pile, searched)


@torch.no_grad()
def patchcore(pile: Pile, learned: Sequence[int], searched: Sequence[int], weights: Path) -> Iterator[Found]:
    """PatchCore (Roth et al., 2022) on layers 2 and 3: the distance to the nearest remembered cell."""
    model = PatchcoreModel(backbone=TRUNK, layers=["layer2", "layer3"], pre_trained=False)
    load_trunk(model.feature_extractor.feature_extractor, weights)
    model.train()
    cells = sum(len(model(batch)) for batch in batches(pile, learned))
    share, most = REMEMBERED
    model.subsample_embedding(min(share, most / cells))
    yield from _search(model, pile, searched)


@torch.no_grad()
def mh_patchcore(pile: Pile, learned: Sequence[int], searched: Sequence[int], weights: Path) -> Iterator[Found]:
    """MH-PatchCore (Ferrari et al., 2026) on layers 2 and 3: PatchCore on whitened principal components.

    anomalib cuts the middle out of every image for it; here it sees the whole frame, as it is rated.
    """
    model = MHPatchcoreModel(backbone=TRUNK, layers=("layer2", "layer3"), pre_trained=False)
    load_trunk(model.feature_extractor.feature_extractor, weights)
    model.train()

    def cells() -> Iterable[Tensor]:
        return (model(batch) for batch in batches(pile, learned))

    for part in cells():
        model.pca.update(part)
    model.pca.finalize()
    for part in cells():
        model.covariance.update(model.pca(part))
    model.covariance.finalize()
    for part in cells():
        model.memory_bank.update(model.covariance(model.pca(part)))
    model.memory_bank.finalize()
    yield from _search(model, pile, searched)


def load_trunk(network: nn.Module, weights: Path) -> None:
    """Load weights under torchvision's names.

    Raises:
        ValueError: the file lacks some that the network needs.
    """
    missing = network.load_state_dict(torch.load(weights, weights_only=True), strict=False).missing_keys
    if missing:
        raise ValueError(f"{weights} lacks {', '.join(missing)}")


def _search(model: nn.Module, pile: Pile, places: Sequence[int]) -> Iterator[Found]:
    model.eval()
    found = (one for batch in batches(pile, places) for one in _each(model(batch)))
    for place, (anomaly_map, score) in zip(places, found, strict=True):
        yield Found(to_image(anomaly_map, pile.shape(place)), score)


def _each(predictions: InferenceBatch) -> Iterator[tuple[Tensor, float]]:
    yield from zip(predictions.anomaly_map[:, 0], predictions.pred_score.flatten().tolist(), strict=True)
