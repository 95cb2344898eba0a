from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from firstsight.collections.demo import DemoSettings, make_demo
from firstsight.collections.homogeneity import LARGEST_SCORE, texture_score
from firstsight.collections.images import inspect_image, read_image
from firstsight.collections.readers import ImageFile, list_images
from oracles.homogeneity import slow_texture_score

RAMP = np.linspace(0, 1, 256)[None] * np.ones((256, 1))


def scaled(name: str) -> np.ndarray:
    return getattr(skimage.data, name)().astype(np.float32)[..., :3] / 255


def grey(name: str) -> np.ndarray:
    return getattr(skimage.data, name)().astype(np.float32) / 255


def score(image: np.ndarray) -> float:
    value = texture_score(image)
    assert value is not None
    return value


@pytest.mark.parametrize("shape", [(32, 32), (40, 57), (130, 33)])
def test_the_score_equals_the_definition(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(shape[0]).random(shape).astype(np.float32) ** 3
    image[: shape[0] // 2] *= 0.3
    assert texture_score(image) == pytest.approx(slow_texture_score(image.astype(float).tolist()), rel=1e-4)


def test_large_images_are_averaged_over_blocks() -> None:
    image = np.random.default_rng(0).random((256, 300)).astype(np.float32) ** 2
    larger = image.repeat(3, axis=0).repeat(3, axis=1)
    assert texture_score(larger) == pytest.approx(texture_score(image), rel=1e-5)
    assert texture_score(np.pad(larger, ((0, 2), (0, 1)))) == pytest.approx(texture_score(image), rel=1e-5)


@pytest.mark.parametrize("name", ["brick", "grass", "gravel"])
def test_textures_pass_with_a_defect_and_in_uneven_light_too(name: str) -> None:
    texture = grey(name)
    assert 1 <= score(texture) < 1.3
    spoiled = texture.copy()
    spoiled[100:200, 300:420] = 0.9
    spoiled[:, 250:270] = 0
    assert score(spoiled) < 1.4
    assert score(texture * np.linspace(0.4, 1, 512)) < 1.5


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_photographs_of_things_are_noticed(name: str) -> None:
    assert score(scaled(name)) > LARGEST_SCORE


@pytest.mark.parametrize(
    "image",
    [
        grey("camera"),
        RAMP,
        RAMP > 0.5,
        0.25 + 0.5 * (RAMP > 0.5) + np.random.default_rng(1).normal(0, 0.05, RAMP.shape),
        np.concatenate([grey("brick")[:, :256], grey("grass")[:, :256]], axis=1),
    ],
    ids=["camera", "gradient", "half black", "half dark with noise", "two textures"],
)
def test_images_of_unlike_parts_are_noticed(image: NDArray[Any]) -> None:
    assert score(image.astype(np.float32)) > LARGEST_SCORE


@pytest.mark.parametrize("texture", ["brick", "grass", "gravel"])
def test_the_demo_collections_are_textures(tmp_path: Path, texture: str) -> None:
    make_demo(tmp_path / "demo", DemoSettings(texture=texture))
    assert all(inspect_image(file)["is_texture"] is True for file in list_images(tmp_path / "demo"))


def test_grey_and_three_equal_channels_score_alike() -> None:
    image = grey("grass")
    assert texture_score(np.stack([image] * 3, axis=2)) == pytest.approx(texture_score(image), rel=1e-5)
    assert texture_score(image[..., None]) == texture_score(image)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_image_looks_alike_everywhere(value: float) -> None:
    assert texture_score(np.full((64, 80), value, np.float32)) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (31, 400), (400, 31, 3)])
def test_of_a_small_image_nobody_can_say(shape: tuple[int, ...]) -> None:
    assert texture_score(np.zeros(shape, np.float32)) is None


def test_the_manifest_holds_the_score_and_the_verdict(tmp_path: Path) -> None:
    images = {
        "texture": grey("gravel"),
        "things": scaled("coffee"),
        "constant": np.full((64, 64), 0.5),
        "tiny": np.random.default_rng(0).random((20, 20)),
    }
    rows = {}
    for name, image in images.items():
        Image.fromarray((255 * image).round().astype(np.uint8)).save(tmp_path / f"{name}.png")
        rows[name] = inspect_image(ImageFile(name, tmp_path / f"{name}.png", None, (), None))
    assert rows["texture"]["is_texture"] is True
    expected = texture_score(read_image(tmp_path / "texture.png"))
    assert rows["texture"]["texture_score"] == pytest.approx(expected, rel=1e-5)
    assert rows["things"]["is_texture"] is False
    for name in ("constant", "tiny"):
        assert (rows[name]["texture_score"], rows[name]["is_texture"]) == (None, None)


def test_windows_where_the_image_is_missing_do_not_count() -> None:
    gravel = skimage.data.gravel()[:200, :300] / np.float32(255)
    missing = np.zeros(gravel.shape, bool)
    missing[40:140, 100:220] = True
    holes = np.where(missing, 0, gravel).astype(np.float32)
    score = texture_score(gravel)
    assert score is not None
    assert texture_score(holes, missing) == pytest.approx(score, rel=0.1)
    assert texture_score(holes, np.ones_like(missing)) is None
    missing[:, 20:] = True
    assert texture_score(holes, missing) is None
