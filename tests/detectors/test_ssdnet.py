"""SSDnet from end to end, with small networks and little training."""

from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from firstsight.detectors import ssdnet_training
from firstsight.detectors.ssdnet import SsdnetSettings, ssdnet
from firstsight.detectors.ssdnet_network import make_network, smallest_side
from firstsight.errors import FirstsightError
from firstsight.settings_model import read_settings

SMALL = SsdnetSettings(
    channels=(4, 8),
    skip_channels=2,
    steps=3,
    epochs=1,
    crops=2,
    crop_size=24,
    rounds=1,
    patch_sizes=(8,),
    w_rec=1.0,
    w_perc=0.0,
    alpha_perc=0.0,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stripes(height: int, width: int, seed: int = 0) -> torch.Tensor:
    noise = 0.05 * torch.randn(3, height, width, generator=generator(seed))
    return (0.5 + 0.25 * torch.sin(torch.arange(width) * 1.3) + noise).clamp(0, 1)


def detect(image: torch.Tensor, settings: SsdnetSettings = SMALL) -> torch.Tensor:
    return ssdnet({"image": image}, {}, settings)


@pytest.mark.parametrize("size", [(24, 24), (31, 45), (9, 60), (70, 11)])
@pytest.mark.parametrize("inference", ["masked", "paper"])
def test_maps_have_the_size_of_the_image(size: tuple[int, int], inference: Literal["masked", "paper"]) -> None:
    found = detect(stripes(*size), SMALL.model_copy(update=dict(inference=inference)))
    assert found.shape == size
    assert found.dtype == torch.float32
    assert torch.isfinite(found).all()
    assert (found >= 0).all()


def test_large_images_are_reduced() -> None:
    found = detect(stripes(50, 77), SMALL.model_copy(update=dict(image_size=24)))
    assert found.shape == (50, 77)
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_constant_image_gives_a_finite_map(value: float) -> None:
    assert torch.isfinite(detect(torch.full((3, 20, 26), value))).all()


def test_a_spot_stands_out() -> None:
    image = stripes(48, 64)
    image[:, 20:26, 40:46] = 1.0
    found = detect(image, SMALL.model_copy(update=dict(steps=40, crop_size=32, channels=(8, 16))))
    row, column = divmod(int(found.argmax()), 64)
    assert abs(row - 22.5) <= 5
    assert abs(column - 42.5) <= 5


def test_the_same_seed_gives_the_same_map_and_torch_keeps_its_own_random_numbers() -> None:
    image = stripes(30, 40)
    image[:, 3:6, 3:6] = torch.nan
    state = torch.random.get_rng_state()
    first = detect(image)
    torch.manual_seed(123)
    assert torch.equal(detect(image), first)
    assert not torch.equal(detect(image, SMALL.model_copy(update=dict(seed=1))), first)
    torch.random.set_rng_state(state)
    detect(image)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_mode_of_the_caller_does_not_matter(mode: type[Any]) -> None:
    image = stripes(24, 30)
    expected = detect(image)
    with mode():
        assert torch.equal(detect(stripes(24, 30)), expected)


def test_the_input_is_left_alone() -> None:
    image = stripes(24, 30)
    image[:, 2, 3] = torch.nan
    before = image.clone()
    detect(image)
    torch.testing.assert_close(image, before, rtol=0, atol=0, equal_nan=True)


def test_values_under_missing_pixels_do_not_matter() -> None:
    image = stripes(30, 40)
    one, other = image.clone(), image.clone()
    one[:, 5:12, 8:20] = torch.nan
    other[0, 5:12, 8:20] = torch.nan
    other[1:, 5:12, 8:20] = 0.77
    assert torch.equal(detect(one), detect(other))


def test_missing_pixels_are_filled_and_hardly_change_the_map_elsewhere() -> None:
    image = stripes(48, 64)
    image[:, 30:36, 10:16] = 1.0
    settings = SMALL.model_copy(update=dict(steps=60, crop_size=32, channels=(8, 16)))
    missing = image.clone()
    missing[:, 8:16, 40:50] = torch.nan
    found = detect(missing, settings)
    assert torch.isfinite(found).all()
    row, column = divmod(int(found.argmax()), 64)
    assert abs(row - 32.5) <= 5
    assert abs(column - 12.5) <= 5
    # What was filled in is no anomaly, and what is far from it has about the score that it had.
    assert found[8:16, 40:50].max() < found.max() / 2
    change = (found - detect(image, settings)).abs()
    assert change[:, :30].mean() < 0.25 * found[:, :30].max()


@pytest.mark.parametrize("share", [0.3, 0.97])
def test_scattered_missing_pixels(share: float) -> None:
    image = stripes(40, 52)
    image[:, torch.rand(40, 52, generator=generator()) < share] = torch.nan
    assert torch.isfinite(detect(image)).all()
    assert torch.isfinite(detect(image, SMALL.model_copy(update=dict(image_size=20)))).all()


def test_a_single_known_pixel_is_enough() -> None:
    image = torch.full((3, 60, 60), torch.nan)
    image[:, 31, 7] = 0.4
    assert torch.isfinite(detect(image, SMALL.model_copy(update=dict(image_size=20)))).all()


def test_inpainting_keeps_known_pixels() -> None:
    image = stripes(20, 24)
    known = torch.rand(20, 24, generator=generator()) > 0.4
    network = make_network((4, 8), 2, 4, generator(), torch.device("cpu"))
    found = ssdnet_training.inpaint(network, image, known)
    assert torch.equal(found[:, known], image[:, known])
    assert not torch.equal(found[:, ~known], image[:, ~known])


def test_masked_rebuilding_does_not_see_the_pixel() -> None:
    network = make_network((4, 8), 2, 4, generator(), torch.device("cpu"))
    # The statistics of the batch see every pixel: a normalisation that does nothing shows what the mask hides.
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.forward = torch.nn.Identity()  # type: ignore[method-assign]
    image = torch.full((3, 24, 24), 0.5)
    changed = image.clone()
    # The mean colour stays.
    changed[:, 10, 10], changed[:, 10, 11] = 0.9, 0.1
    first, second = (
        ssdnet_training.rebuild(network, each, SMALL.model_copy(update=dict(mask_size=24, mask_parts=2)), generator(4))
        for each in (image, changed)
    )
    dealt_together = first[:, 10, 10], second[:, 10, 10]
    torch.testing.assert_close(*dealt_together)


def test_nothing_perceptual_needs_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("VGG19 was loaded")

    monkeypatch.setattr(ssdnet_training, "load_perception", refuse)
    monkeypatch.setattr("firstsight.detectors.ssdnet.load_perception", refuse)
    assert not SMALL.needs_weights
    assert torch.isfinite(detect(stripes(48, 48))).all()


def test_both_pairs_of_weights_are_trained_unless_one_is_given() -> None:
    assert SsdnetSettings().loss_weights == ((1.0, 0.0), (0.0, 1.0))
    assert SsdnetSettings(w_rec=0.5, w_perc=0.25).loss_weights == ((0.5, 0.25),)


def test_the_output_may_be_permuted_instead() -> None:
    image, known = torch.full((3, 24, 24), 0.3), torch.ones(24, 24, dtype=torch.bool)
    # Of halves of two colours it learns the mixture: where a patch lies in the output says nothing of what it holds.
    image[:, :, :12] = 0.7
    settings = SMALL.model_copy(update=dict(steps=60, noise=0.0, permuted="output", permuted_size=8, inference="paper"))
    contrasts = []
    for share in (0.0, 1.0):
        permuted = settings.model_copy(update=dict(permuted_share=share))
        network = ssdnet_training.train(image, known, (1.0, 0.0), permuted, generator())
        found = ssdnet_training.rebuild(network, image, permuted, generator())
        contrasts.append(float(found[:, :, :12].mean() - found[:, :, 12:].mean()))
    assert contrasts[0] > 0.15
    assert abs(contrasts[1]) < contrasts[0] / 2


def test_missing_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "none.pth"
    with pytest.raises(FirstsightError, match=r"none\.pth"):
        detect(stripes(24, 24), SMALL.model_copy(update=dict(w_rec=0.0, w_perc=1.0, weights=str(path))))


@pytest.mark.parametrize(
    "changes",
    [
        {"w_rec": None, "w_perc": None, "alpha_perc": None},
        {"w_rec": 0.0, "w_perc": 1.0},
        {"alpha_perc": 1.0, "min_max": True},
        {"w_rec": 0.0, "w_perc": 1.0, "steps": 1, "enlarge": 14, "patch_sizes": (16,), "permuted": "output"},
    ],
)
def test_perception(shared: Path, changes: dict[str, Any]) -> None:
    weights = str(shared / "weights" / "vgg19_oxford_features0_to_16.pth")
    settings = SMALL.model_copy(update=dict(weights=weights, **changes))
    image = stripes(25, 32)
    image[:, 4:8, 5:9] = torch.nan
    found = detect(image, settings)
    assert found.shape == (25, 32)
    assert torch.isfinite(found).all()
    assert torch.equal(detect(image, settings), found)


def test_training_stops_early() -> None:
    settings = SMALL.model_copy(update=dict(epochs=50, stopping_loss=10.0))
    assert torch.equal(
        detect(stripes(24, 30), settings), detect(stripes(24, 30), settings.model_copy(update={"epochs": 50}))
    )
    image, known = stripes(24, 30), torch.ones(24, 30, dtype=torch.bool)
    steps = generator()
    ssdnet_training.train(image, known, (1.0, 0.0), settings, steps)
    once = generator()
    ssdnet_training.train(image, known, (1.0, 0.0), settings.model_copy(update={"epochs": 1}), once)
    assert torch.equal(steps.get_state(), once.get_state())


def test_a_network_is_made_by_its_generator_alone() -> None:
    networks = [make_network((4, 8, 8), 2, 4, generator(seed), torch.device("cpu")) for seed in (0, 0, 1)]
    values = [torch.cat([each.detach().flatten() for each in network.parameters()]) for network in networks]
    assert torch.equal(values[0], values[1])
    assert not torch.equal(values[0], values[2])
    assert torch.isfinite(values[0]).all()


@pytest.mark.parametrize("scales", [1, 2, 3])
@pytest.mark.parametrize("skip_channels", [0, 3])
def test_the_smallest_image_of_a_network(scales: int, skip_channels: int) -> None:
    network = make_network((4,) * scales, skip_channels, 4, generator(), torch.device("cpu"))
    side = smallest_side(scales)
    for size in ((side, side), (side, side + 6), (side + 3, side)):
        found = network(torch.rand(1, 4, *size, generator=generator()))
        assert found.shape == (1, 3, *size)
        assert ((found > 0) & (found < 1)).all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(1, 20, 20), r"\(1, 20, 20\)"),
        (torch.full((3, 20, 20), torch.inf), "1200 infinite"),
        (torch.full((3, 20, 20), torch.nan), "every pixel is missing"),
        (torch.zeros(3, 7, 20), "20 x 7.*8 x 8"),
        (torch.zeros(3, 1, 20), "20 x 1"),
    ],
)
def test_bad_images_are_named(image: torch.Tensor, message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        detect(image)


def test_features_are_not_an_image() -> None:
    with pytest.raises(FirstsightError, match="layer1"):
        ssdnet({"layer1": torch.zeros(3, 20, 20)}, {}, SMALL)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"w_rec": 1.0}, "w_rec: 1.0, with w_perc None: both or none"),
        ({"w_rec": 0.0, "w_perc": 0.0}, "leaves nothing to train"),
        ({"w_rec": float("nan"), "w_perc": 1.0}, "w_rec: nan.*finite"),
        ({"alpha_perc": 0.0}, "alpha_perc: 0.0 is for one network"),
        ({"min_max": True}, "min_max: true has no meaning without alpha_perc"),
        ({"enlarge": 0}, "enlarge: 0"),
        ({"permuted": "both"}, "permuted"),
        ({"epochs": 0}, "epochs: 0"),
        ({"patch_sizes": []}, "patch_sizes"),
        ({"patch_sizes": [8, 0]}, "patch_sizes"),
        ({"patch_sizes": [80]}, "crop_size: 64"),
        ({"mask_parts": 1}, "mask_parts: 1"),
        ({"permuted_share": 1.5}, "permuted_share: 1.5"),
        ({"alpha_perc": -0.1}, "alpha_perc: -0.1"),
        ({"aggregate": "mean"}, "aggregate"),
        ({"learning_rate": 0.0}, "learning_rate: 0.0"),
        ({"seed": -1}, "seed: -1"),
        ({"image_size": 0}, "image_size: 0"),
        ({"channels": []}, "channels"),
    ],
)
def test_bad_settings_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        read_settings(SsdnetSettings, given, ("detectors", "ssdnet"))


def test_settings_of_yaml() -> None:
    found = read_settings(SsdnetSettings, {"patch_sizes": [4, 8], "w_rec": 1, "w_perc": 0})
    assert found.patch_sizes == (4, 8)
    assert found.w_rec == 1
