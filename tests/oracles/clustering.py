"""Clustering metrics the slow way: all matchings, all pairs of images, sums over pairs of clusters."""

from itertools import combinations, permutations
from math import log


def matched_f1(true: list, predicted: list) -> float:
    kinds, clusters = sorted(set(true)), sorted(set(predicted))
    clusters += ["left over"] * max(0, len(kinds) - len(clusters))
    best = 0
    for chosen in permutations(clusters, len(kinds)):
        match = dict(zip(kinds, chosen, strict=True))
        best = max(best, sum(match[t] == p for t, p in zip(true, predicted, strict=True)))
    return best / len(true)


def nmi(true: list, predicted: list) -> float:
    n = len(true)
    pairs = list(zip(true, predicted, strict=True))
    information = sum(
        pairs.count(pair) / n * log(n * pairs.count(pair) / (true.count(pair[0]) * predicted.count(pair[1])))
        for pair in set(pairs)
    )
    entropy = [
        -sum(labels.count(k) / n * log(labels.count(k) / n) for k in set(labels)) for labels in (true, predicted)
    ]
    return information / (sum(entropy) / 2) if sum(entropy) else 1.0


def ari(true: list, predicted: list) -> float:
    pairs = list(combinations(range(len(true)), 2))
    in_true = [true[i] == true[j] for i, j in pairs]
    in_predicted = [predicted[i] == predicted[j] for i, j in pairs]
    both = sum(a and b for a, b in zip(in_true, in_predicted, strict=True))
    expected = sum(in_true) * sum(in_predicted) / max(len(pairs), 1)
    if in_true == in_predicted:
        return 1.0
    return (both - expected) / ((sum(in_true) + sum(in_predicted)) / 2 - expected)
