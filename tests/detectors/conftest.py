"""Real features, which tests of several detectors look at."""

from collections.abc import Mapping

import pytest

from real_textures import Tile, make_tiles


@pytest.fixture(scope="session")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Tile]:
    """Tiles of gravel with defects, as the default network sees them."""
    return make_tiles(tmp_path_factory.mktemp("gravel"))
