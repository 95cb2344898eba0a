"""Settings of the patch statistics, as a config may give them."""

from dataclasses import dataclass
from typing import Literal

from firstsight.errors import FirstsightError


@dataclass(frozen=True)
class FcaSettings:
    """Settings of `firstsight.detectors.patch_statistics.fca`; ``layers`` None: the extractor's own choice."""

    layers: tuple[str, ...] | None = None
    patch_size: int = 9
    sigma_p: float = 3.0
    sigma_s: float = 1.0
    reference: Literal["median"] = "median"
    border: Literal["renormalise", "paper"] = "renormalise"

    def __post_init__(self) -> None:
        if self.patch_size < 1 or self.patch_size % 2 == 0:
            raise FirstsightError(f"patch_size is {self.patch_size}, but must be odd and positive")
