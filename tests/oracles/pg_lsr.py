"""Prior-guided least squares by an augmented Lagrangian, and maximum responses filter by filter."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate


def guided_residuals(
    described: NDArray[np.float64],
    weights: NDArray[np.float64],
    regularisation: float,
    penalty: float = 1.0,
    iterations: int = 2000,
) -> NDArray[np.float64]:
    """Errors E of the smallest |Z|^2 + regularisation |E diag(weights)|^2 with X = X Z + E, by alternating steps."""
    count = described.shape[1]
    errors, multiplier = np.zeros(described.shape), np.zeros(described.shape)
    gram = described.T @ described
    solve = np.linalg.inv(2 * np.eye(count) + penalty * gram)
    shrink = penalty / (2 * regularisation * weights**2 + penalty)
    for _ in range(iterations):
        coefficients = solve @ (described.T @ (multiplier + penalty * (described - errors)))
        rest = described - described @ coefficients
        errors = (rest + multiplier / penalty) * shrink
        multiplier = multiplier + penalty * (rest - errors)
    return errors


def maximum_responses(grey: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """(8, h, w), every filter applied for itself to the standardised image."""
    image = (grey - grey.mean()) / grey.std()
    radius = math.ceil(36 * scale)
    sigma = 10 * scale

    def respond(profile: Callable[..., Any], zero_mean: bool = True) -> NDArray[np.float64]:
        kernel = np.array(
            [[point_mean(profile, y, x) for x in range(-radius, radius + 1)] for y in range(-radius, radius + 1)]
        )
        kernel = kernel - kernel.mean() if zero_mean else kernel
        return correlate(image, kernel / np.abs(kernel).sum(), mode="mirror")

    responses = [
        respond(lambda y, x: np.exp(-(x * x + y * y) / (2 * sigma**2)), zero_mean=False),
        respond(lambda y, x: ((x * x + y * y) / sigma**2 - 2) * np.exp(-(x * x + y * y) / (2 * sigma**2))),
    ]
    angles = [math.pi * k / 6 for k in range(6)]
    for derivative, strength in ((edge, np.abs), (bar, lambda values: values)):
        for size in (1, 2, 4):
            turned = [strength(respond(oriented(derivative, angle, size * scale))) for angle in angles]
            responses.append(np.max(turned, axis=0))
    return np.array(responses)


def oriented(derivative: Callable[..., Any], angle: float, size: float) -> Callable[..., Any]:
    """A filter whose Gaussian is three times as long along the angle as across."""

    def profile(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        along = (x * math.cos(angle) + y * math.sin(angle)) / (3 * size)
        across = (y * math.cos(angle) - x * math.sin(angle)) / size
        return derivative(across) * np.exp(-(along**2 + across**2) / 2)

    return profile


def edge(across: NDArray[np.float64]) -> NDArray[np.float64]:
    """First derivative of a Gaussian, without the Gaussian."""
    return -across


def bar(across: NDArray[np.float64]) -> NDArray[np.float64]:
    """Second derivative of a Gaussian, without the Gaussian."""
    return across**2 - 1


def point_mean(profile: Callable[..., Any], y: int, x: int) -> float:
    """Mean over 9 x 9 points of a pixel."""
    points = (np.arange(9) - 4) / 9
    return profile(y + points[:, None], x + points).mean()
