"""Prior-guided least-squares regression against slow, obvious forms."""

import numpy as np
import pytest
import torch

from firstsight.detectors.pg_lsr import PgLsrSettings, detect, guided_residuals, maximum_responses, template
from firstsight.errors import FirstsightError
from firstsight.settings_model import read_settings
from oracles import pg_lsr as oracle


def texture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    noise = torch.rand(height, width, generator=torch.Generator().manual_seed(seed))
    return (0.4 + 0.2 * torch.sin(torch.arange(width) * 0.9) + 0.1 * noise).clone()


@pytest.mark.parametrize(("channels", "count"), [(8, 30), (3, 2), (1, 1)])
@pytest.mark.parametrize("regularisation", [0.1, 0.75])
def test_errors_equal_those_of_the_augmented_lagrangian(channels: int, count: int, regularisation: float) -> None:
    rng = np.random.default_rng(0)
    described, weights = rng.normal(size=(channels, count)), rng.random(count)
    found = guided_residuals(torch.from_numpy(described), torch.from_numpy(weights), regularisation)
    expected = oracle.guided_residuals(described, weights, regularisation)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3, atol=1e-6)


def test_a_patch_of_weight_zero_keeps_all_of_its_features() -> None:
    described = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 9)))
    weights = torch.ones(9, dtype=torch.float64)
    weights[5] = 0
    errors = guided_residuals(described, weights, 0.75)
    torch.testing.assert_close(errors[:, 5], described[:, 5])
    assert errors[:, 4].norm() < described[:, 4].norm()


@pytest.mark.parametrize(("shape", "scale"), [((20, 27), 0.25), ((9, 12), 0.25), ((8, 10), 0.3)])
def test_responses_equal_the_oracle(shape: tuple[int, int], scale: float) -> None:
    grey = np.random.default_rng(2).random(shape)
    found = maximum_responses(torch.from_numpy(grey).float(), scale)
    np.testing.assert_allclose(found.numpy(), oracle.maximum_responses(grey, scale), rtol=1e-3, atol=1e-5)


def test_responses_do_not_depend_on_brightness_and_contrast() -> None:
    grey = texture(30, 40)
    torch.testing.assert_close(
        maximum_responses(0.3 * grey + 0.5, 0.25), maximum_responses(grey, 0.25), rtol=1e-3, atol=1e-4
    )


def test_the_template_is_a_mean_of_normal_patches() -> None:
    described = torch.zeros(2, 200, dtype=torch.float64)
    described[0] = 1
    described[1, :6] = 50
    assert (template(described, 7, 0.07, seed=0) - torch.tensor([1.0, 0.0])).norm() < 5
    torch.testing.assert_close(template(described[:, :1], 7, 0.07, seed=0), described[:, 0])
    assert torch.equal(template(described, 7, 0.07, seed=3), template(described, 7, 0.07, seed=3))


@pytest.mark.parametrize("place", [(60, 90), (0, 0), (120, 150)])
def test_a_blot_stands_out_also_at_the_frame(place: tuple[int, int]) -> None:
    image = texture(140, 170)
    image[place[0] : place[0] + 20, place[1] : place[1] + 20] = 0.9
    found = detect({"image": image.expand(3, -1, -1)}, {}, PgLsrSettings())
    assert found.shape == (140, 170)
    assert found.dtype == torch.float32
    row, column = divmod(int(found.argmax()), 170)
    assert abs(row - place[0] - 10) <= 12
    assert abs(column - place[1] - 10) <= 12


def test_scores_hardly_depend_on_the_number_of_patches() -> None:
    settings = PgLsrSettings(image_size=None)
    small, large = (
        detect({"image": texture(*size).expand(3, -1, -1)}, {}, settings).median() for size in ((80, 96), (160, 192))
    )
    assert 0.6 < small / large < 1.6


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_constant_image_has_nothing_in_it(value: float) -> None:
    found = detect({"image": torch.full((3, 40, 50), value)}, {}, PgLsrSettings())
    assert (found == 0).all()


def test_large_images_are_reduced_and_missing_pixels_filled() -> None:
    image = texture(200, 230).expand(3, -1, -1).clone()
    image[:, 3:9, 100:] = torch.nan
    found = detect({"image": image}, {}, PgLsrSettings())
    assert found.shape == (200, 230)
    assert found.isfinite().all()
    assert (found >= 0).all()


def test_an_image_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(FirstsightError, match="patch_size is 16, but the image is only 15 x 90"):
        detect({"image": torch.rand(3, 15, 90)}, {}, PgLsrSettings())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"patch_size": 0}, "patch_size: 0"),
        ({"step": 17}, "step: 17 should be at most patch_size"),
        ({"regularisation": 0}, "regularisation: 0"),
        ({"filter_scale": 0.05}, "filter_scale: 0.05"),
        ({"template_groups": 0}, "template_groups: 0"),
        ({"template_share": 1.5}, "template_share: 1.5"),
        ({"seed": -1}, "seed: -1"),
        ({"sigma": 0.0}, "sigma: 0"),
        ({"image_size": 0}, "image_size: 0"),
    ],
)
def test_wrong_settings_are_named(given: dict[str, float], message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        read_settings(PgLsrSettings, given, ("detectors", "pg_lsr"))
