from typing import Any

import numpy as np
import pytest
import torch

from firstsight.detectors.pfam import Mfcsam, PfamSettings, binomial_window, build_pfam, reflect_padded
from firstsight.detectors.pfam_attention import FrequencyChannelAttention
from firstsight.errors import FirstsightError
from oracles import pfam as oracle

CHANNELS = {"layer1": 8, "features.8": 5, "layer3": 12}
SIZES = {"layer1": (13, 9), "features.8": (7, 5), "layer3": (3, 2)}


def random_features(channels: dict[str, int] = CHANNELS, images: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        layer: torch.randn((images, count, *SIZES[layer]), generator=generator) for layer, count in channels.items()
    }


def test_shapes_of_one_two_and_three_layers() -> None:
    for layers in (["layer1"], ["layer1", "layer3"], list(CHANNELS)):
        channels = {layer: CHANNELS[layer] for layer in layers}
        pfam = build_pfam(channels, PfamSettings())
        features = random_features(channels)
        found = pfam(features)
        assert list(found) == layers
        assert {layer: maps.shape[1] for layer, maps in found.items()} == pfam.channels
        assert all(maps.shape[2:] == features[layer].shape[2:] for layer, maps in found.items())
        assert found["layer1"].shape[1] == 16
        if "features.8" in layers:
            assert torch.equal(found["features.8"], features["features.8"])


@pytest.mark.parametrize("size", [(6, 7), (3, 3), (2, 11), (1, 4), (1, 1)])
def test_mfcsam_equals_the_oracle(size: tuple[int, int]) -> None:
    # 7 channels do not divide by 3 scales.
    module = Mfcsam(7, PfamSettings(scales=3, frequencies=2)).double()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / 5)
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    assert [weights[f"convolutions.{scale}.weight"].shape for scale in range(3)] == [
        (3, 7, 3, 3),
        (2, 7, 5, 5),
        (2, 7, 7, 7),
    ]
    channel_attentions = [part for part in module.modules() if isinstance(part, FrequencyChannelAttention)]
    frequencies: list[Any] = [attention.frequencies for attention in channel_attentions]
    maps = torch.randn((2, 7, *size), generator=generator, dtype=torch.float64)
    found = module(maps).detach().numpy()
    for image in range(2):
        expected = oracle.mfcsam(weights, maps[image].numpy(), frequencies)
        np.testing.assert_allclose(found[image], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", [(5, 4), (2, 3), (1, 2), (1, 1)])
def test_padding_is_numpys(size: tuple[int, int]) -> None:
    maps = torch.arange(2.0 * size[0] * size[1]).reshape(1, 2, *size)
    expected = np.pad(maps.numpy(), ((0, 0), (0, 0), (4, 4), (4, 4)), mode="reflect")
    np.testing.assert_array_equal(reflect_padded(maps, 4), expected)


def test_untrained_it_keeps_distances_where_maps_are_flat() -> None:
    pfam = build_pfam({"layer1": 24, "layer3": 30}, PfamSettings())
    generator = torch.Generator().manual_seed(1)
    first, last = (torch.randn((5, count, 1, 1), generator=generator).expand(-1, -1, 6, 9) for count in (24, 30))
    found = pfam({"layer1": first, "layer3": last})
    before = torch.cdist(last[:, :, 2, 3], last[:, :, 2, 3])
    after = torch.cdist(found["layer3"][:, :, 2, 3], found["layer3"][:, :, 2, 3])
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
    assert torch.equal(found["layer1"][:, :24], first)
    torch.testing.assert_close(
        torch.cdist(found["layer1"][:, 24:, 2, 3], found["layer1"][:, 24:, 2, 3]),
        torch.cdist(first[:, :, 2, 3], first[:, :, 2, 3]),
        atol=1e-4,
        rtol=1e-4,
    )


def test_untrained_a_cell_knows_its_surroundings_and_nothing_else() -> None:
    pfam = build_pfam({"layer3": 8}, PfamSettings())
    maps = torch.zeros(1, 8, 15, 15)
    maps[:, :, 7, 7] = 1
    found = pfam({"layer3": maps})["layer3"][0, 8:]
    changed = found.abs().sum(0) > 0
    assert changed[3:12, 3:12].all()
    assert changed.sum() == 81


def test_windows_are_binomial() -> None:
    torch.testing.assert_close(binomial_window(3), torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16)
    for size in (5, 7, 9):
        row = binomial_window(size).sum(0)
        places = torch.arange(size) - size // 2
        assert row.sum() == pytest.approx(1)
        assert (row * places**2).sum().sqrt() == pytest.approx((size - 1) ** 0.5 / 2)


def test_images_of_a_batch_do_not_see_each_other() -> None:
    pfam = build_pfam(CHANNELS, PfamSettings())
    features = random_features(images=3)
    together = pfam(features)
    for image in range(3):
        alone = pfam({layer: maps[image : image + 1] for layer, maps in features.items()})
        for layer in CHANNELS:
            torch.testing.assert_close(together[layer][image], alone[layer][0])


def test_training_reaches_every_weight() -> None:
    pfam = build_pfam(CHANNELS, PfamSettings(scales=2))
    optimizer = torch.optim.SGD(pfam.parameters(), lr=0.05)
    features = random_features()
    losses = []
    # P, K and the squeezing layer have a gradient only once alpha and the exciting layer have left 0.
    for _ in range(3):
        loss = sum(maps.square().mean() for maps in pfam(features).values())
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[2] < losses[1] < losses[0]
    assert [
        name
        for name, parameter in pfam.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    ] == []


def test_the_seed_alone_decides() -> None:
    torch.manual_seed(1)
    untouched = torch.random.get_rng_state()
    first = build_pfam(CHANNELS, PfamSettings()).state_dict()
    assert torch.equal(untouched, torch.random.get_rng_state())
    torch.manual_seed(2)
    again = build_pfam(CHANNELS, PfamSettings()).state_dict()
    other = build_pfam(CHANNELS, PfamSettings(seed=1)).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["first.convolutions.0.weight"], other["first.convolutions.0.weight"])


def test_inference_mode_gives_the_same_numbers() -> None:
    pfam = build_pfam(CHANNELS, PfamSettings())
    features = random_features()
    expected = pfam(features)
    with torch.inference_mode():
        found = pfam(features)
    assert all(torch.equal(found[layer], expected[layer].detach()) for layer in CHANNELS)


def test_mistakes_are_one_clear_line() -> None:
    with pytest.raises(FirstsightError, match="at least one layer"):
        build_pfam({}, PfamSettings())
    with pytest.raises(FirstsightError, match="scales is 4, but layer rgb has only 3 channels"):
        build_pfam({"layer1": 64, "rgb": 3}, PfamSettings())
    with pytest.raises(FirstsightError, match=r"PFAM of the layers layer1, features\.8, layer3 was given layer1"):
        build_pfam(CHANNELS, PfamSettings())({"layer1": torch.zeros(1, 8, 4, 4)})
    for name in ("scales", "frequencies", "most_cells"):
        with pytest.raises(FirstsightError, match=f"{name} is 0"):
            PfamSettings(**{name: 0})
    with pytest.raises(FirstsightError, match="seed is -1"):
        PfamSettings(seed=-1)
