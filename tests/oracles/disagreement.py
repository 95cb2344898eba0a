"""Disagreement of anomaly maps, pair by pair of cells."""

import numpy as np


def disagreement(first, second, top_share):
    return (missed(first, second, top_share) + missed(second, first, top_share)) / 2


def missed(pointing, searched, top_share):
    count = max(1, round(top_share * len(pointing)))
    bound = sorted(pointing, reverse=True)[count - 1]
    top = [index for index, score in enumerate(pointing) if score >= bound]
    rest = [index for index, score in enumerate(pointing) if score < bound]
    if not rest:
        return 0.5
    wrong = [
        1.0 if searched[high] < searched[low] else 0.5 if searched[high] == searched[low] else 0.0
        for high in top
        for low in rest
    ]
    return float(np.mean(wrong))
