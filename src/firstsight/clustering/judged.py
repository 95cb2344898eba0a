"""Verdicts of a person laid on the results of a run."""

from collections.abc import Sequence

import numpy
import pandas

from firstsight.clustering.judged_limit import best_limit, judged_images
from firstsight.clustering.verdicts import DEFECT, IGNORED, KIND, NORMAL, Verdict
from firstsight.wording import plural

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


def verdicts_say(
    regions: pandas.DataFrame,
    images: pandas.DataFrame,
    verdicts: Sequence[Verdict],
    *,
    threshold: float,
    rate: float | None = None,
    chosen: str = "",
) -> str:
    """What the verdicts on one detector in one collection say of it, in a sentence or two; empty without any.

    Args:
        regions: its rows of the table `regions`.
        images: score and p_value of its images, by image.
        verdicts: those on this detector and collection.
        threshold: of the collection.
        rate: of false alarms, where that decides on images.
        chosen: what the verdicts did to the threshold, in words, where they were asked to.
    """
    if not verdicts:
        return ""
    words = region_verdicts(regions, verdicts).value_counts()
    found, out = int(words.get(DEFECT, 0)), int(sum(words.get(word, 0) for word in LEFT_OUT))
    named = sum(each.verdict == KIND for each in verdicts)
    whole = sum(each.verdict != KIND and each.box is None for each in verdicts)
    counts = [
        (whole, "image", "judged"),
        (found, "region", "a defect"),
        (out, "region", "left out of kinds and exports"),
        (named, "kind", "named"),
    ]
    told = ", ".join(f"{plural(count, noun)} {what}" for count, noun, what in counts if count)
    parts = [f"Your verdicts: {told or 'on regions that are no longer found'}."]
    wrong = int(words.get(NORMAL, 0))
    if found + wrong:
        parts.append(f"Of the regions judged {100 * found / (found + wrong):.0f}\u00a0% are defects.")
    return " ".join([*parts, *filter(None, [chosen or _best_told_apart(images, verdicts, threshold, rate)])])


def _best_told_apart(
    images: pandas.DataFrame, verdicts: Sequence[Verdict], threshold: float, rate: float | None
) -> str:
    """Where the judged images are best told apart, in a sentence: at a rate of false alarms, or at a score."""
    judged = judged_images([each for each in verdicts if each.image in images.index])
    values = images["score"].astype(float) if rate is None else -images["p_value"].astype(float)
    defect, normal = (values[list(names)].dropna().to_numpy() for names in judged)
    limit = best_limit(defect, normal, threshold if rate is None else -rate)
    if limit is None:
        return ""
    if limit == (threshold if rate is None else -rate):
        return f"No other {'score' if rate is None else 'rate of false alarms'} tells the images judged better apart."
    at = f"a score of {limit:.3g}" if rate is None else f"a rate of false alarms of {-100 * limit:.3g}\u00a0%"
    return f"The images judged are best told apart at {at}."


def _is_out(verdict: Verdict) -> bool:
    return verdict.box is None and verdict.verdict in LEFT_OUT


def _overlap(one: numpy.ndarray, other: numpy.ndarray) -> float:
    """Intersection over union of two boxes (x, y, width, height)."""
    start, end = numpy.maximum(one[:2], other[:2]), numpy.minimum(one[:2] + one[2:], other[:2] + other[2:])
    shared = float(numpy.prod(numpy.maximum(end - start, 0)))
    union = float(numpy.prod(one[2:]) + numpy.prod(other[2:])) - shared
    return shared / union if union > 0 else 0.0
