"""Networks of timm, measured once for all tests of a file."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from timm_samples import random_weights


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """From the name of a model of timm to a file of random weights, with which it is measured in this process."""
    from firstsight.features import timm_measurement, timm_models  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("timm")

    @cache
    def weights(model: str) -> Path:
        path = random_weights(folder, model)
        timm_models.timm_geometry(f"timm/{model}", path)
        return path

    def answer(question: dict[str, str]) -> dict[str, Any]:
        return timm_measurement.measure(question["name"], Path(question["weights"]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setattr(timm_models, "_ask", answer)
        yield weights
