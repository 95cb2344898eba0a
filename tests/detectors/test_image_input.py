"""Reading the image, filling what is missing, and patches."""

import numpy as np
import pytest
import torch

from firstsight.detectors.image_input import (
    extract_patches,
    merge_patches,
    patch_starts,
    read_grey,
    resize,
)
from firstsight.errors import FirstsightError
from oracles import image_input as oracle


def random_image(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def test_grey_is_weighted_as_in_bt601() -> None:
    image = torch.tensor([1.0, 0.5, 0.25]).view(3, 1, 1).expand(3, 4, 5)
    torch.testing.assert_close(read_grey({"image": image}, None), torch.full((4, 5), 0.299 + 0.2935 + 0.0285))


@pytest.mark.parametrize(
    ("size", "image_size", "expected"),
    [((40, 60), 20, (20, 30)), ((61, 30), 20, (41, 20)), ((8, 9), 20, (8, 9)), ((20, 33), None, (20, 33))],
)
def test_only_larger_images_are_reduced(
    size: tuple[int, int], image_size: int | None, expected: tuple[int, int]
) -> None:
    assert read_grey({"image": random_image(*size)}, image_size).shape == expected


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"layer1": torch.zeros(3, 4, 4)}, "was given only layer1"),
        ({"image": torch.zeros(4, 4)}, r"shape \(4, 4\)"),
        ({"image": torch.zeros(1, 4, 4)}, r"shape \(1, 4, 4\)"),
        ({"image": torch.zeros(3, 0, 4)}, r"shape \(3, 0, 4\)"),
        ({"image": torch.full((3, 2, 2), torch.inf)}, "12 infinite values"),
        ({"image": torch.full((3, 2, 2), torch.nan)}, "every pixel is missing"),
    ],
)
def test_what_is_no_image_is_refused(features: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        read_grey(features, None)


@pytest.mark.parametrize(
    ("size", "patch_size", "step"), [((9, 14), 4, 3), ((4, 5), 4, 4), ((7, 7), 1, 1), ((8, 8), 3, 5)]
)
def test_merged_patches_equal_the_oracle(size: tuple[int, int], patch_size: int, step: int) -> None:
    step = min(step, patch_size)
    rows, columns = (len(oracle.starts(length, patch_size, step)) for length in size)
    patches = np.random.default_rng(0).random((rows, columns, patch_size, patch_size))
    found = merge_patches(torch.from_numpy(patches), size, step).numpy()
    np.testing.assert_allclose(found, oracle.mean_over_patches(patches, size, step))


def test_patches_merge_to_the_image_they_came_from() -> None:
    image = random_image(11, 18)
    patches = extract_patches(image, 5, 3)
    assert patches.shape == (3, 6, 3, 5, 5)
    for channel in range(3):
        torch.testing.assert_close(merge_patches(patches[:, :, channel], (11, 18), 3), image[channel])


def test_the_last_patch_ends_at_the_frame() -> None:
    assert patch_starts(20, 8, 5) == [0, 5, 10, 12]
    assert patch_starts(8, 8, 5) == [0]


def test_a_patch_larger_than_the_image_is_refused() -> None:
    with pytest.raises(FirstsightError, match="patch_size is 6, but the image is only 5 x 9"):
        extract_patches(random_image(5, 9), 6, 2)


def test_resizing_to_the_same_size_changes_nothing() -> None:
    values = random_image(5, 6)[0]
    assert resize(values, (5, 6)) is values
    assert resize(values, (10, 3)).shape == (10, 3)
