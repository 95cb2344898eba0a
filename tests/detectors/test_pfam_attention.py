import numpy as np
import pytest
import torch

from firstsight.detectors import pfam_attention
from firstsight.detectors.pfam_attention import (
    FrequencyChannelAttention,
    PositionAttention,
    frequency_coefficients,
    lowest_frequencies,
    pooled_size,
)
from oracles import pfam as oracle

SIZES = [(7, 7), (5, 8), (13, 2), (1, 6), (1, 1)]


def randomise(module: torch.nn.Module, seed: int = 0) -> dict[str, np.ndarray]:
    """Give a module random float64 weights, all of them different from 0; they are returned by name."""
    module.double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / 2)
    return {name: value.numpy() for name, value in module.state_dict().items()}


def random_maps(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_the_lowest_frequencies_come_by_diagonals() -> None:
    assert lowest_frequencies(6) == [(0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (2, 0)]
    for count in range(1, 40):
        pairs = lowest_frequencies(count)
        assert len(set(pairs)) == count
        left_out = [(u, v) for u in range(count) for v in range(count) if (u, v) not in pairs]
        assert not left_out or max(u + v for u, v in pairs) <= min(u + v for u, v in left_out)


@pytest.mark.parametrize("size", SIZES)
def test_coefficients_are_those_of_scipys_cosine_transform(size: tuple[int, int]) -> None:
    maps = random_maps(2, 12, *size)
    frequencies = lowest_frequencies(12)
    expected = oracle.frequency_coefficients(maps.numpy(), frequencies)
    np.testing.assert_allclose(
        frequency_coefficients(maps, torch.tensor(frequencies)), expected, rtol=1e-10, atol=1e-12
    )


def test_frequency_zero_is_the_mean() -> None:
    maps = random_maps(2, 3, 6, 5)
    found = frequency_coefficients(maps, torch.zeros(3, 2, dtype=torch.int64))
    torch.testing.assert_close(found, maps.mean((2, 3)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("channels", "count"), [(11, 4), (3, 16), (40, 16)])
def test_channel_attention_equals_the_oracle(size: tuple[int, int], channels: int, count: int) -> None:
    attention = FrequencyChannelAttention(channels, count)
    weights = randomise(attention)
    maps = random_maps(2, channels, *size)
    found = attention(maps).detach().numpy()
    for image in range(2):
        expected = oracle.channel_attention(weights, maps[image].numpy(), attention.frequencies)
        np.testing.assert_allclose(found[image], expected, rtol=1e-10, atol=1e-12)


def test_channels_are_dealt_out_evenly_to_the_frequencies() -> None:
    attention = FrequencyChannelAttention(11, 4)
    counts = [attention.frequencies.count(pair) for pair in lowest_frequencies(4)]
    assert sum(counts) == 11
    assert max(counts) - min(counts) == 1
    assert list(FrequencyChannelAttention(3, 16).frequencies) == lowest_frequencies(3)


@pytest.mark.parametrize("chunk", [1, 50, 10**6])
@pytest.mark.parametrize("size", SIZES)
def test_position_attention_equals_the_oracle_whatever_the_chunks(
    size: tuple[int, int], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pfam_attention, "_CHUNK_ENTRIES", chunk)
    attention = PositionAttention(5, most_cells=1000)
    weights = randomise(attention)
    maps = random_maps(3, 5, *size)
    found = attention(maps).detach().numpy()
    for image in range(3):
        np.testing.assert_allclose(
            found[image], oracle.position_attention(weights, maps[image].numpy()), rtol=1e-10, atol=1e-12
        )


def test_of_many_cells_p_and_v_are_averages() -> None:
    attention = PositionAttention(4, most_cells=12)
    weights = randomise(attention)
    maps = random_maps(1, 4, 6, 8)
    p, k, v = (oracle.pointwise(weights, name, maps[0].numpy()) for name in "pkv")
    pooled_p, pooled_v = (values.reshape(4, 3, 2, 4, 2).mean(axis=(2, 4)) for values in (p, v))
    expected = oracle.attended(pooled_p, k, pooled_v)
    np.testing.assert_allclose(attention.attended(maps)[0].detach().numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [(6, 8), (64, 64), (500, 3), (3, 500), (1, 999), (5000, 1), (301, 77)])
@pytest.mark.parametrize("most", [1, 2, 10, 100, 4096])
def test_the_pooled_size_fits_and_is_no_larger(size: tuple[int, int], most: int) -> None:
    rows, columns = pooled_size(*size, most)
    assert 1 <= rows <= size[0]
    assert 1 <= columns <= size[1]
    assert rows * columns <= most
    if size[0] * size[1] <= most:
        assert (rows, columns) == size


def test_memory_does_not_grow_with_the_square_of_the_area() -> None:
    # The whole attention map of these 40,000 cells would be 6.4 GB.
    attention = PositionAttention(4, most_cells=64)
    torch.nn.init.ones_(attention.alpha)
    maps = torch.randn((1, 4, 200, 200), generator=torch.Generator().manual_seed(0))
    assert attention(maps).shape == maps.shape


def test_alpha_zero_means_no_contribution() -> None:
    attention = PositionAttention(5, most_cells=1000)
    randomise(attention)
    torch.nn.init.zeros_(attention.alpha)
    maps = random_maps(2, 5, 4, 3)
    assert torch.equal(attention(maps), maps)
    with torch.no_grad():
        assert torch.equal(attention(maps), maps)
