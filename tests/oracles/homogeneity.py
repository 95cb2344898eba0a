"""The contrast of windows of a grey image, with loops."""

import math

from oracles.thresholds import slow_quantile

KERNEL = [math.exp(-(offset**2) / 2) for offset in range(-4, 5)]


def mirrored(place: int, size: int) -> int:
    """Index of a place beyond the border, where the border's own pixel is repeated first."""
    place %= 2 * size
    return place if place < size else 2 * size - 1 - place


def slow_blur(rows: list[list[float]]) -> list[list[float]]:
    """Gaussian blur of one pixel along rows."""
    width, total = len(rows[0]), sum(KERNEL)
    return [
        [sum(w * row[mirrored(x + o, width)] for o, w in enumerate(KERNEL, -4)) / total for x in range(width)]
        for row in rows
    ]


def slow_texture_score(rows: list[list[float]]) -> float:
    """For images whose shorter side has less than 512 pixels, so that nothing is averaged away."""
    height, width = len(rows), len(rows[0])
    across = slow_blur(rows)
    blurred = list(zip(*slow_blur(list(map(list, zip(*across, strict=True)))), strict=True))
    side = min(height, width) / 4
    down, over = round(height / side), round(width / side)
    contrasts = []
    for i in range(down):
        for j in range(over):
            cells = [
                (rows[y][x], blurred[y][x])
                for y in range(i * height // down, (i + 1) * height // down)
                for x in range(j * width // over, (j + 1) * width // over)
            ]
            detail = sum(math.sqrt(abs(value - smooth)) for value, smooth in cells) / len(cells)
            brightness = sum(value for value, _ in cells) / len(cells)
            contrasts.append((detail + math.sqrt(0.004)) ** 2 / (brightness + 0.05))
    return slow_quantile(contrasts, 0.8) / slow_quantile(contrasts, 0.2)
