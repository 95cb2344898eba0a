"""Median, robust deviation and quantile from sorted lists."""


def slow_quantile(values: list[float], share: float) -> float:
    """Linear interpolation between the sorted values on either side."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def slow_threshold(scores: list[float], image_maxima: list[float]) -> float:
    median = slow_quantile(scores, 0.5)
    deviation = 1.4826 * slow_quantile([abs(score - median) for score in scores], 0.5)
    threshold = median + 4 * deviation
    return max(threshold, slow_quantile(image_maxima, 0.1)) if len(image_maxima) >= 10 else threshold


def slow_otsu(scores: list[float]) -> tuple[float, float]:
    """The neighbouring scores between which to part them, so that the squared distances from two means are least."""
    ordered = sorted(scores)

    def spread(values: list[float]) -> float:
        mean = sum(values) / len(values)
        return sum((value - mean) ** 2 for value in values)

    cut = min(range(1, len(ordered)), key=lambda place: spread(ordered[:place]) + spread(ordered[place:]))
    return ordered[cut - 1], ordered[cut]
