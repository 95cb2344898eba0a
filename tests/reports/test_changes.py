"""What has changed since the last run, in words."""

from collections.abc import Mapping, Sequence

from firstsight.reports.changes import Changes, changes_since
from firstsight.reports.last_run import CollectionThen, DetectorThen, Run


def run(
    anomalous: str,
    kinds: Mapping[str, str],
    *,
    images: str = "abcdefgh",
    threshold: float = 0.5,
    rate: float | None = None,
) -> Run:
    named: dict[str, list[str]] = {name: list(members) for name, members in kinds.items()}
    detector = DetectorThen(threshold=threshold, rate=rate, anomalous=list(anomalous), kinds=named)
    return Run(collections={"tiles": CollectionThen(images=list(images), detectors={"fca": detector})})


def lines(now: Run, then: Run) -> Sequence[str]:
    return changes_since(now, then, "tiles", "fca").lines


KINDS = {"cluster 0": "abc", "cluster 1": "def", "normal": "gh"}


def test_images_that_are_called_otherwise_are_named() -> None:
    changes = changes_since(run("abx", KINDS, images="abcdefghx"), run("bc", KINDS, images="abcdefghy"), "tiles", "fca")
    assert changes == Changes(("a",), ("c",), ("1 image came, 1 of them anomalous; 1 image went.",))


def test_without_a_run_before_or_without_a_change_there_is_nothing() -> None:
    now = run("ab", KINDS)
    assert not changes_since(now, None, "tiles", "fca")
    assert not changes_since(now, now, "tiles", "fca")
    assert not changes_since(now, Run(collections={}), "tiles", "fca")
    assert not changes_since(now, run("", {}), "tiles", "blind")
    # Other numbers for the same kinds are no change, and neither is a threshold that moved by less than is shown.
    other = run("ab", {"cluster 1": "abc", "cluster 0": "def", "normal": "gh"}, threshold=0.50001)
    assert not changes_since(other, now, "tiles", "fca")
    # Where a rate decides, the threshold of the middle image moves with every image that comes.
    assert not changes_since(run("ab", KINDS, rate=0.05, threshold=3), run("ab", KINDS, rate=0.05), "tiles", "fca")


def test_kinds_are_followed_by_their_images() -> None:
    then = run("", KINDS)
    assert lines(run("", {"stain": "ab", "cluster 1": "def", "normal": "ghc"}), then) == (
        "The kind cluster 0 is called stain now.",
    )
    merged = run("", {"stain": "abcdef", "normal": "gh"})
    assert lines(merged, then) == ("The kinds cluster 0 and cluster 1 are one now: stain.", "2 kinds, before 3.")
    assert lines(run("", {"hole": "abcdef", "normal": "gh"}), merged)[0] == "The kind stain is called hole now."
    # A kind that falls apart has no successor, and neither has one whose images were all left out.
    assert lines(run("", {"a": "ad", "b": "be", "c": "cf"}), then) == ()
    assert lines(run("", {"cluster 1": "def", "normal": "gh"}), then) == ("2 kinds, before 3.",)


def test_the_threshold_has_moved() -> None:
    then = run("", KINDS)
    assert lines(run("", KINDS, threshold=0.61), then) == ("The threshold is 0.61, before 0.5.",)
    by_rate = run("", KINDS, rate=0.05)
    assert lines(run("", KINDS, rate=0.021), by_rate) == ("The rate of false alarms is 2.1\u00a0%, before 5\u00a0%.",)
    assert lines(by_rate, then) == ("The rate of false alarms is 5\u00a0%, before the threshold was 0.5.",)
