from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from firstsight.errors import FirstsightError
from firstsight.features.sbm_crops import draw_crops
from firstsight.features.sbm_jigsaw import choose_permutations, shuffle_tiles

PERMUTATIONS = choose_permutations(4, 5, torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three images of different sizes: red says which one, green and blue where a pixel is."""
    folder = tmp_path_factory.mktemp("images")
    paths = []
    for index, (height, width) in enumerate([(20, 30), (16, 16), (41, 17)]):
        rows, columns = np.mgrid[:height, :width]
        pixels = np.stack([np.full_like(rows, 50 * (index + 1)), 5 * rows, 5 * columns], axis=-1)
        paths.append(folder / f"{index}.png")
        Image.fromarray(pixels.astype(np.uint8)).save(paths[-1])
    return paths


def draw(images: list[Path], count: int, seed: int = 0, **others: Any) -> tuple[torch.Tensor, torch.Tensor]:
    settings: dict[str, Any] = {"image_size": lambda height, width: (height, width), "grid": 2, "tile_size": 8}
    settings |= {"defects": 0.0} | others
    return draw_crops(images, count, PERMUTATIONS, torch.Generator().manual_seed(seed), **settings)


def put_together(crops: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Whole crops again, in bytes."""
    return (shuffle_tiles(crops, PERMUTATIONS[labels].argsort(1), 2) * 255).round().int()


def test_put_together_again_every_crop_is_a_part_of_an_image(images: list[Path]) -> None:
    crops, labels = draw(images, 20)
    assert crops.shape == (20, 3, 16, 16)
    assert crops.dtype == torch.float32
    assert len(set(labels.tolist())) > 2
    contents = [torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1).int() for path in images]
    for crop in put_together(crops, labels):
        top, left = int(crop[1, 0, 0]) // 5, int(crop[2, 0, 0]) // 5
        image = contents[int(crop[0, 0, 0]) // 50 - 1]
        assert torch.equal(crop, image[:, top : top + 16, left : left + 16])


def test_every_image_has_its_share_and_crops_lie_anywhere(images: list[Path]) -> None:
    crops, labels = draw(images, 31)
    whole = put_together(crops, labels)
    counts = [int((whole[:, 0, 0, 0] == 50 * (index + 1)).sum()) for index in range(3)]
    assert sum(counts) == 31
    assert max(counts) - min(counts) <= 1
    assert len({(int(crop[1, 0, 0]), int(crop[2, 0, 0])) for crop in whole if crop[0, 0, 0] == 50}) > 6
    few, labels = draw(images, 2)
    assert len({int(crop[0, 0, 0]) for crop in put_together(few, labels)}) == 2


def test_images_are_resized_and_never_too_small(images: list[Path]) -> None:
    sizes = []

    def halved(height: int, width: int) -> tuple[int, int]:
        sizes.append((height, width))
        return height // 2, width // 2

    crops, labels = draw(images, 6, image_size=halved)
    assert sorted(sizes) == [(16, 16), (20, 30), (41, 17)]
    # The second, of 8 x 8 pixels, is enlarged to a single crop again: it reaches from one end to the other.
    only = next(crop for crop in put_together(crops, labels) if crop[0, 0, 0] == 100)
    assert only[1, 0].max() < 8
    assert only[1, -1].min() > 66


def test_the_given_share_has_defects(images: list[Path]) -> None:
    without = draw(images, 40)[0]
    for defects, least, most in [(0.0, 0, 0), (0.5, 8, 32), (1.0, 40, 40)]:
        crops, labels = draw(images, 40, defects=defects)
        whole = put_together(crops, labels)
        # In a crop without a defect green grows from row to row by 5, everywhere.
        defective = sum(bool((crop[1].diff(dim=0) != 5).any() or (crop[0] != crop[0, 0, 0]).any()) for crop in whole)
        assert least <= defective <= most
    assert torch.equal(without, draw(images, 40)[0])
    assert not torch.equal(without, draw(images, 40, seed=1)[0])


def test_an_image_that_is_gone_is_named(images: list[Path], tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match=r"gone\.png' can no longer be read: "):
        draw([*images, tmp_path / "gone.png"], 8)
