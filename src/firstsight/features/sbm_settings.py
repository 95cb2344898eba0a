"""The settings of SBM."""

from dataclasses import dataclass

from firstsight.errors import FirstsightError


@dataclass(frozen=True)
class SbmSettings:
    """How an extractor is tuned by a jigsaw, see `firstsight.features.sbm`.

    Attributes:
        grid: n, the tiles per side.
        permutations: P, the number of orders of the tiles.
        tile_size: pixels per side of a tile; a crop has grid * tile_size.
        defects: share of the crops that get a synthetic defect (0.5: as many as normal crops, N_syn = N_nom).
        layer: the last layer that is tuned; None: the deepest of the extractor's layers for methods that need a cell's
            surroundings (ResNets: layer3), or else of its default layers.
        crops_per_epoch: training crops, drawn anew for every epoch.
        validation_crops: crops for validation, drawn once.
        batch_crops: crops per training step.
        epochs: the most epochs.
        patience: epochs without a smaller validation loss after which tuning stops.
        learning_rate: of AdamW, for the extractor; falls to 0 along half a cosine. The classifier's is ten times that.
        seed: of permutations, crops and defects.
    """

    grid: int = 3
    permutations: int = 30
    tile_size: int = 64
    defects: float = 0.5
    layer: str | None = None
    crops_per_epoch: int = 96
    validation_crops: int = 48
    batch_crops: int = 8
    epochs: int = 10
    patience: int = 4
    learning_rate: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"grid": 2, "permutations": 2, "tile_size": 8, "seed": 0}
        least |= dict.fromkeys(("crops_per_epoch", "validation_crops", "batch_crops", "epochs", "patience"), 1)
        for name, value in least.items():
            if getattr(self, name) < value:
                raise FirstsightError(f"{name} is {getattr(self, name)}, but must be at least {value}")
        if not 0 <= self.defects <= 1:
            raise FirstsightError(f"defects is {self.defects}, but must lie in [0, 1]")
        if not self.learning_rate > 0:
            raise FirstsightError(f"learning_rate is {self.learning_rate}, but must be positive")
