"""Copies are found in any light; pieces of one texture, and patterns at the same place, are none."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from firstsight.collections import copies as module
from firstsight.collections.copies import COMPARED, N_PHASES, SIDE, find_copies, phases_of
from firstsight.collections.images import read_image

REAL = Path(__file__).resolve().parents[3] / "shared/data"


def texture(seed: int, shape: tuple[int, int] = (96, 130)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 0.5 + 0.1 * gaussian_filter(rng.standard_normal(shape), 2) / 0.14


def in_another_light(image: np.ndarray, seed: int) -> np.ndarray:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    shade = 0.3 + 0.5 * rows / image.shape[0] + 0.2 * columns / image.shape[1]
    return 0.6 * image * shade + 0.01 * np.random.default_rng(seed).standard_normal(image.shape)


def found(images: list[np.ndarray], sha256: list[str | None] | None = None) -> dict[str, str]:
    phases = np.array([phases_of(image) for image in images])
    return find_copies([f"{n:02}" for n in range(len(images))], sha256 or [None] * len(images), phases)


def test_one_thing_in_another_light_is_a_copy() -> None:
    images = [texture(seed) for seed in range(12)]
    assert found(images) == {}
    images[3] = in_another_light(images[1], 1)
    images[6] = in_another_light(images[3], 2)[:-1, 1:]
    images[7] = np.repeat(images[7][..., None], 3, axis=2)
    assert found(images) == {"03": "01", "06": "01"}
    assert found([*images, images[7]]) == {"03": "01", "06": "01", "12": "07"}


def test_a_dark_spot_at_the_same_place_makes_no_copies() -> None:
    images = [texture(seed) for seed in range(8)]
    for image in images:
        image[45:52, 62:70] = 0
    assert found(images) == {}


def test_a_pattern_at_the_same_place_in_all_images_makes_no_copies() -> None:
    pattern = texture(0)
    assert found([in_another_light(pattern, seed) for seed in range(8)]) == {}


def test_exact_copies_need_not_be_readable() -> None:
    phases = np.full((5, N_PHASES), np.nan, np.float16)
    copies = find_copies(["e", "d", "c", "b", "a"], ["1", "2", "1", None, None], phases)
    assert copies == {"e": "c"}
    assert find_copies([], [], phases[:0]) == {}


def test_shade_alone_has_no_phases() -> None:
    shade = np.add.outer(np.linspace(0, 1, 70), np.linspace(0, 1, 50))
    assert np.isnan(phases_of(np.full((70, 50), 0.3))).all()
    assert found([shade, np.full((70, 50), 0.3), texture(0)]) == {}
    one = np.zeros((70, 50))
    one[30, 20] = 1
    assert np.isfinite(phases_of(one)).all()


def test_missing_pixels_do_not_count() -> None:
    images = [texture(seed) for seed in range(8)]
    missing = np.zeros(images[0].shape, bool)
    missing[:30, :40] = True
    damaged = np.where(missing, np.nan, in_another_light(images[2], 1))
    phases = np.array([*map(phases_of, images), phases_of(damaged, missing)])
    names = [f"{n}" for n in range(9)]
    assert find_copies(names, [None] * 9, phases) == {"8": "2"}


def test_phases_are_those_of_a_plain_transform() -> None:
    values = texture(1, (SIDE, SIDE)).astype(np.float32)
    detail = values - gaussian_filter(values.astype(float), 6)
    limit = 2 * np.median(abs(detail)) / 0.6745
    window = np.sin(np.pi * np.arange(1, SIDE + 1) / (SIDE + 1)) ** 2
    clipped = np.clip(detail, -limit, limit) * window * window[:, None]
    waves = [
        np.angle(
            (clipped * np.exp(-2j * np.pi * np.add.outer(row * np.arange(SIDE), column * np.arange(SIDE)) / SIDE)).sum()
        )
        for row in [*range(SIDE // 2), *range(-SIDE // 2, 0)]
        for column in range(17)
        if 1 < np.hypot(row, column) <= 16 and (column > 0 or row > 0)
    ]
    assert len(waves) == N_PHASES
    turned = np.exp(1j * (np.array(waves) - phases_of(values).astype(float)))
    np.testing.assert_allclose(turned, 1, atol=0.005)


def test_order_and_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    phases = rng.uniform(-np.pi, np.pi, (60, N_PHASES)).astype(np.float16)
    phases[[17, 40, 59]] = phases[5]
    names = [f"{n:02}" for n in range(60)]
    expected = {"17": "05", "40": "05", "59": "05"}
    assert find_copies(names, [None] * 60, phases) == expected
    order = rng.permutation(60)
    monkeypatch.setattr(module, "ROWS_AT_A_TIME", 7)
    assert find_copies([names[n] for n in order], [None] * 60, phases[order]) == expected
    monkeypatch.setattr(module, "COMPARED", 20)
    assert find_copies(names, [None] * 60, phases) == {"17": "05", "59": "40"}
    assert COMPARED > 60


@pytest.mark.skipif(not REAL.exists(), reason=f"the real images are not at {REAL}")
def test_copies_of_magnetic_tiles_have_one_label() -> None:
    files = sorted((REAL / "magnetic_tile/test").glob("*/*.jpg"))
    names = [f"{file.parent.name}/{file.name}" for file in files]
    phases = np.array([phases_of(read_image(file)) for file in files])
    copies = find_copies(names, [None] * len(names), phases)
    assert len(copies) > 100
    assert all(copy.split("/")[0] == first.split("/")[0] for copy, first in copies.items())
