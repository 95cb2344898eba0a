"""What the detectors that learn from normal images share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from firstsight.detectors.normal_images import (
    attend,
    input_sizes,
    open_normal_images,
    pack_pfam,
    read_normal_image,
    start_pfam,
    unpack_pfam,
)
from firstsight.detectors.padim import PadimSettings, detect_padim, fit_padim
from firstsight.detectors.patchcore import PatchcoreSettings, detect_patchcore, fit_patchcore
from firstsight.errors import FirstsightError
from firstsight.storage.geometry import Geometry
from oracles.normal_images import Layers, write_store

# The order of a config, not that of PFAM, which begins with the finest.
STRIDES = {"coarse": 8, "fine": 4}


def features(seed: int, height: int = 6, width: int = 8) -> Layers:
    random = np.random.default_rng(seed)
    return {"coarse": random.normal(size=(5, height // 2, width // 2)), "fine": random.normal(size=(4, height, width))}


def places(layers: Layers) -> dict[str, Geometry]:
    height, width = (4 * side for side in layers["fine"].shape[1:])
    return {layer: Geometry(height, width, height, width, stride, 0.0) for layer, stride in STRIDES.items()}


def tensors(layers: Layers) -> dict[str, torch.Tensor]:
    return {layer: torch.from_numpy(values).float() for layer, values in layers.items()}


def test_images_that_cannot_be_used_are_passed_over(tmp_path: Path) -> None:
    first = write_store(tmp_path / "a.zarr", {"a": features(0), "broken": {}}, STRIDES)
    second = write_store(tmp_path / "b.zarr", {"b": features(1, 2, 4)}, STRIDES)
    stored = open_normal_images([first, second], list(STRIDES), PadimSettings(), "cpu").stored
    images = sorted((read_normal_image(each, list(STRIDES)) for each in stored), key=lambda each: each.image)
    assert [each.image for each in images] == ["a", "b"]
    assert images[1].places == places(features(1, 2, 4))
    torch.testing.assert_close(images[0].features, tensors(features(0)))
    assert input_sizes(stored, "coarse") == {(24, 32), (8, 16)}
    with pytest.raises(FirstsightError, match="none of the images to learn from"):
        open_normal_images(
            [write_store(tmp_path / "c.zarr", {"broken": {}}, STRIDES)], list(STRIDES), PadimSettings(), "cpu"
        )


def test_a_packed_pfam_is_the_same_pfam(tmp_path: Path) -> None:
    shard = write_store(tmp_path / "a.zarr", {"a": features(0)}, STRIDES)
    image = open_normal_images([shard], list(STRIDES), PadimSettings(), "cpu").first()
    pfam = start_pfam(image, seed=3)
    assert pfam.layers == ("fine", "coarse")
    torch.save(pack_pfam(pfam), tmp_path / "pfam.pt")
    again = unpack_pfam(torch.load(tmp_path / "pfam.pt", weights_only=True), torch.device("cpu"))
    expected = attend(tensors(features(1)), pfam)
    torch.testing.assert_close(attend(tensors(features(1)), again), expected, rtol=0, atol=0)
    assert list(expected) == list(STRIDES)
    assert [len(values) for values in expected.values()] == [5, 8]
    assert unpack_pfam(pack_pfam(None), torch.device("cpu")) is None


@pytest.mark.parametrize(
    ("fit", "detect", "settings"),
    [
        (fit_padim, detect_padim, PadimSettings),
        (fit_patchcore, detect_patchcore, PatchcoreSettings),
    ],
)
def test_pfam_goes_before_the_detector(
    tmp_path: Path, fit: Callable[..., Any], detect: Callable[..., torch.Tensor], settings: type
) -> None:
    known = {str(seed): features(seed) for seed in range(3)}
    store = write_store(tmp_path / "a.zarr", known, STRIDES)
    more: dict[str, Any] = {"folder": tmp_path, "device": "cpu", "note": lambda line: None}
    model = fit([store], list(STRIDES), settings(pfam=True, seed=2), **more)
    found = detect(tensors(features(7)), places(features(7)), settings(pfam=True, seed=2), model, "x")
    pfam = unpack_pfam(model["pfam"], torch.device("cpu"))

    def attended(layers: Layers) -> dict[str, torch.Tensor]:
        return {layer: each.detach() for layer, each in attend(tensors(layers), pfam).items()}

    after = {name: {layer: each.numpy() for layer, each in attended(layers).items()} for name, layers in known.items()}
    plain = fit([write_store(tmp_path / "b.zarr", after, STRIDES)], list(STRIDES), settings(seed=2), **more)
    expected = detect(attended(features(7)), places(features(7)), settings(seed=2), plain, "x")
    torch.testing.assert_close(found, expected)
    without = fit([store], list(STRIDES), settings(seed=2), **more)
    assert not torch.allclose(found, detect(tensors(features(7)), places(features(7)), settings(seed=2), without, "x"))
