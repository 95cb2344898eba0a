import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from firstsight.detectors.blind.autoencoder import (
    Autoencoder,
    autoencoder_loss,
    divergence,
    residual,
)
from firstsight.detectors.blind.settings import AutoencoderSettings
from firstsight.detectors.layers import scale_channels
from firstsight.errors import FirstsightError
from firstsight.settings_model import read_settings
from oracles.autoencoder import divergence as divergence_by_samples
from oracles.autoencoder import forward


def random_autoencoder(channels: int = 5, hidden: int = 7, latent: int = 3, seed: int = 0) -> Autoencoder:
    """One with no weight at 0."""
    generator = torch.Generator().manual_seed(seed)
    model = Autoencoder(channels, hidden, latent, generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.5, generator=generator)
    return model


def random_features(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 3


def weights_of(model: Autoencoder) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("shape", [(4, 6), (1, 9), (7, 1)])
def test_the_forward_pass_is_the_1x1_convolutions_of_the_oracle(shape: tuple[int, int]) -> None:
    model = random_autoencoder()
    features = random_features(5, *shape)
    mean, log_deviation, reconstruction = forward(weights_of(model), features.numpy().astype(np.float64))
    cells = features.flatten(1).T
    found_mean, found_log_deviation = model.encode(cells)
    np.testing.assert_allclose(found_mean.detach().T, mean.reshape(3, -1), atol=1e-5)
    np.testing.assert_allclose(found_log_deviation.detach().T, log_deviation.reshape(3, -1), atol=1e-5)
    np.testing.assert_allclose(model.reconstruct(cells).detach().T, reconstruction.reshape(5, -1), atol=1e-5)


def test_the_residual_is_that_of_the_oracle_signed() -> None:
    model = random_autoencoder()
    features = random_features(5, 6, 4)
    scaled = scale_channels(features)
    expected = scaled.numpy() - forward(weights_of(model), scaled.numpy().astype(np.float64))[2]
    found = residual(model, features)
    assert found.dtype == torch.float32
    assert not found.requires_grad
    assert (found < 0).any()
    assert (found > 0).any()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_residual_of_many_cells_is_made_in_blocks_of_the_same_values() -> None:
    model = random_autoencoder()
    features = random_features(5, 97, 101)
    scaled = scale_channels(features)
    expected = scaled - model.reconstruct(scaled.flatten(1).T).detach().T.view(scaled.shape)
    torch.testing.assert_close(residual(model, features), expected)
    torch.testing.assert_close(residual(model, features.transpose(1, 2)), expected.transpose(1, 2))


def test_the_residual_of_other_channels_is_refused() -> None:
    with pytest.raises(FirstsightError, match="the features have 4 channels, the autoencoder 5"):
        residual(random_autoencoder(), random_features(4, 3, 3))


def test_a_constant_image_has_a_finite_residual() -> None:
    assert residual(random_autoencoder(), torch.full((5, 4, 4), 2.0)).isfinite().all()


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (0.7, 0.3), (-2.0, 1.5), (0.01, 0.99)])
def test_the_divergence_is_its_definition(mean: float, deviation: float) -> None:
    found = divergence(torch.tensor(mean), torch.tensor(deviation).log()).item()
    assert found == pytest.approx(kl_divergence(Normal(mean, deviation), Normal(0.0, 1.0)).item(), abs=1e-6)
    assert found == pytest.approx(divergence_by_samples(mean, deviation, 1_000_000, 0), abs=0.01)
    assert found >= 0


def test_the_divergence_of_the_prior_is_zero_to_the_last_digit() -> None:
    assert divergence(torch.zeros(3), torch.zeros(3)).tolist() == [0, 0, 0]


def test_the_loss_is_the_squared_error_and_the_weighted_divergence() -> None:
    model = random_autoencoder()
    cells = random_features(11, 5)
    mean, log_deviation = model.encode(cells)
    prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected_divergence = kl_divergence(Normal(mean, log_deviation.exp()), prior).mean()
    expected_error = ((model.decode(mean) - cells) ** 2).sum() / (11 * 5)
    loss = autoencoder_loss(model, cells, 0.25)
    torch.testing.assert_close(loss.squared_error, expected_error)
    torch.testing.assert_close(loss.divergence, expected_divergence)
    torch.testing.assert_close(loss.total, expected_error + 0.25 * expected_divergence)


def test_the_noise_of_the_codes_is_of_the_given_generator_and_the_encoded_deviation() -> None:
    model = random_autoencoder()
    cells = random_features(1, 5).repeat(200_000, 1)
    torch.manual_seed(3)
    untouched = torch.random.get_rng_state()
    losses = [autoencoder_loss(model, cells, 1.0, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert losses[0].total == losses[1].total
    assert losses[0].total != losses[2].total
    assert torch.equal(untouched, torch.random.get_rng_state())
    mean, log_deviation = (value[0].detach() for value in model.encode(cells[:1]))
    noisy = Normal(mean, log_deviation.exp()).sample((200_000,))
    outputs = model.output(model.decoder(noisy)).detach()
    expected = (torch.where(outputs < 0, 0.1 * outputs, outputs) - cells).square().mean()
    assert losses[0].squared_error.item() == pytest.approx(expected.item(), rel=0.02)


def test_weights_at_the_start_are_of_the_given_generator_alone() -> None:
    torch.manual_seed(3)
    untouched = torch.random.get_rng_state()
    first, second, other = (weights_of(random_start(seed)) for seed in (0, 0, 1))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["encoder.0.weight"], other["encoder.0.weight"])
    assert torch.equal(untouched, torch.random.get_rng_state())


def random_start(seed: int) -> Autoencoder:
    return Autoencoder(5, 7, 3, torch.Generator().manual_seed(seed))


def test_every_weight_learns_within_two_steps() -> None:
    model = random_start(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(2):
        optimizer.zero_grad()
        autoencoder_loss(model, random_features(64, 5), 0.001, torch.Generator().manual_seed(0)).total.backward()
        optimizer.step()
    assert all(not torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("hidden", 0, "hidden: 0 should be at least 1"),
        ("latent", -1, "latent: -1 should be at least 1"),
        ("kl_weight", -0.1, "kl_weight: -0.1 should be at least 0"),
        ("learning_rate", math.nan, "learning_rate: nan should be finite"),
        ("weight_decay", math.inf, "weight_decay: inf should be finite"),
        ("epochs", 0, "epochs: 0 should be at least 1"),
        ("seed", -1, "seed: -1 should be at least 0"),
    ],
)
def test_bad_settings_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        read_settings(AutoencoderSettings, {name: value})


def test_weights_that_may_be_zero() -> None:
    AutoencoderSettings(kl_weight=0, weight_decay=0, seed=0)
