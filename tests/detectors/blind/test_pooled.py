"""The reference window of a collection."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from firstsight.detectors.blind.pooled import pooled_reference
from firstsight.errors import FirstsightError
from firstsight.storage.stored_images import stored_images


def scaled(values: np.ndarray) -> np.ndarray:
    low, high = values.min((1, 2), keepdims=True), values.max((1, 2), keepdims=True)
    return (values - low) / (high - low)


def test_it_is_the_lower_median_of_all_windows_where_none_is_left_out(write_store: Callable[..., Any]) -> None:
    generator = np.random.default_rng(0)
    shapes = {"a.png": (5, 7), "b.png": (3, 3), "c.png": (2, 9)}
    images = {name: {"fine": generator.random((2, *shape), np.float32)} for name, shape in shapes.items()}
    stored = stored_images([write_store("s", images)])
    windows = []
    for name in ("a.png", "b.png"):
        values = scaled(images[name]["fine"])
        for row in range(values.shape[1] - 2):
            for column in range(values.shape[2] - 2):
                windows.append(np.sort(values[:, row : row + 3, column : column + 3].reshape(2, 9), axis=1))
    expected = np.sort(np.array(windows), axis=0)[(len(windows) - 1) // 2]
    np.testing.assert_allclose(pooled_reference(stored, "fine", 3, 0).numpy(), expected, atol=1e-6)


def test_maps_smaller_than_a_window_are_one_clear_line(write_store: Callable[..., Any]) -> None:
    stored = stored_images([write_store("s", {"a.png": {"fine": np.ones((2, 2, 2), np.float32)}})])
    with pytest.raises(FirstsightError, match="no map of fine is as large as a window of 3 x 3"):
        pooled_reference(stored, "fine", 3, 0)
