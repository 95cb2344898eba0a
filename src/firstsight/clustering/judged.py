"""Verdicts of a person laid on the results of a run."""

from collections.abc import Sequence

import numpy
import pandas

from firstsight.clustering.verdicts import DEFECT, IGNORED, KIND, NORMAL, Verdict

LEAST_OVERLAP = 0.5
"""Intersection over union from which a box of another run is the same region."""

LEFT_OUT = {NORMAL: "judged normal", IGNORED: "not of interest"}
"""What regions are called that a person left out, by the verdict."""


def region_verdicts(regions: pandas.DataFrame, verdicts: Sequence[Verdict]) -> pandas.Series:
    """The verdict on each row of the table `regions`, by its index; None where there is none.

    The box that overlaps a region most decides, if by half of their union; else what is said of the whole image, unless
    that is that it shows a defect, which may be any of its regions.
    """
    of_image: dict[tuple[str, str, str], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.verdict != KIND:
            of_image.setdefault((verdict.collection, verdict.detector, verdict.image), []).append(verdict)
    words: list[str | None] = []
    keys = zip(regions["collection"], regions["detector"], regions["image"], strict=True)
    boxes = regions[["x", "y", "width", "height"]].to_numpy(int)
    for key, box in zip(keys, boxes, strict=True):
        given = of_image.get(key, [])
        ranked = [(_overlap(box, numpy.array(each.box)), each.verdict) for each in given if each.box]
        overlap, word = max(ranked, default=(0.0, ""))
        whole = [each.verdict for each in given if each.box is None and each.verdict != DEFECT]
        words.append(word if overlap >= LEAST_OVERLAP else whole[-1] if whole else None)
    return pandas.Series(words, index=regions.index, dtype=object)


def images_left_out(regions: pandas.DataFrame, verdicts: Sequence[Verdict]) -> set[tuple[str, str, str]]:
    """Collection, detector and image of the images that belong to no kind: judged so, or all their regions are."""
    found = {(each.collection, each.detector, each.image) for each in verdicts if _is_out(each)}
    judged = region_verdicts(regions, verdicts).isin(list(LEFT_OUT))
    every = judged.groupby([regions["collection"], regions["detector"], regions["image"]]).all()
    return found | {(str(key[0]), str(key[1]), str(key[2])) for key in every.index[every].tolist()}


def judge_regions(regions: pandas.DataFrame, verdicts: Sequence[Verdict]) -> pandas.DataFrame:
    """A copy of rows of the table `regions` in which those that were left out have no kind; their name says why."""
    words = region_verdicts(regions, verdicts)
    judged = regions.copy()
    out = words.isin(list(LEFT_OUT))
    judged.loc[out, "cluster"] = None
    judged.loc[out, "cluster_name"] = words[out].map(LEFT_OUT)
    return judged


def judge_clusters(clusters: pandas.DataFrame, out: set[tuple[str, str, str]]) -> pandas.DataFrame:
    """The rows of the table `clusters` without the images that were left out.

    Where the medoid was one of them, the image that is nearest to the centre of the kind takes its place.
    """
    keys = zip(clusters["collection"], clusters["detector"], clusters["image"], strict=True)
    kept = clusters[pandas.Series([key not in out for key in keys], index=clusters.index, dtype=bool)].copy()
    for (_, _, number), members in kept.groupby(["collection", "detector", "cluster"]):
        if int(str(number)) >= 0 and not members["is_medoid"].any() and members["distance"].notna().any():
            kept.loc[members.sort_values(["distance", "image"]).index[0], "is_medoid"] = True
    return kept


def verdicts_say(regions: pandas.DataFrame, scores: pandas.Series, verdicts: Sequence[Verdict]) -> str:
    """What the verdicts on one detector in one collection say of it, in a sentence or two; empty without any.

    Args:
        regions: its rows of the table `regions`.
        scores: of its images, by image.
        verdicts: those on this detector and collection.
    """
    if not verdicts:
        return ""
    words = region_verdicts(regions, verdicts).value_counts()
    found, out = int(words.get(DEFECT, 0)), int(sum(words.get(word, 0) for word in LEFT_OUT))
    named = sum(each.verdict == KIND for each in verdicts)
    parts = [
        f"Your verdicts: {_plural(found, 'region')} a defect, {_plural(out, 'region')} left out of kinds and exports, "
        f"{_plural(named, 'kind')} named."
    ]
    wrong = int(words.get(NORMAL, 0))
    if found + wrong:
        parts.append(f"Of the regions judged {100 * found / (found + wrong):.0f}\u00a0% are defects.")
    best = _best_score(scores, verdicts)
    if best is not None:
        parts.append(f"The images judged are best told apart at a score of {best:.3g}.")
    return " ".join(parts)


def _best_score(scores: pandas.Series, verdicts: Sequence[Verdict]) -> float | None:
    """The score between images judged normal and images with a defect that sorts most of both rightly."""
    defect = {each.image for each in verdicts if each.verdict == DEFECT} & set(scores.index)
    normal = {each.image for each in verdicts if each.verdict == NORMAL and each.box is None} & set(scores.index)
    normal -= defect
    if not (defect and normal):
        return None
    high, low = scores[sorted(defect)].to_numpy(float), scores[sorted(normal)].to_numpy(float)
    every = numpy.unique(numpy.concatenate([high, low]))
    limits = (every[1:] + every[:-1]) / 2 if len(every) > 1 else every
    quality = [(high > limit).mean() + (low <= limit).mean() for limit in limits]
    return float(limits[int(numpy.argmax(quality))])


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _is_out(verdict: Verdict) -> bool:
    return verdict.box is None and verdict.verdict in LEFT_OUT


def _overlap(one: numpy.ndarray, other: numpy.ndarray) -> float:
    """Intersection over union of two boxes (x, y, width, height)."""
    start, end = numpy.maximum(one[:2], other[:2]), numpy.minimum(one[:2] + one[2:], other[:2] + other[2:])
    shared = float(numpy.prod(numpy.maximum(end - start, 0)))
    union = float(numpy.prod(one[2:]) + numpy.prod(other[2:])) - shared
    return shared / union if union > 0 else 0.0
