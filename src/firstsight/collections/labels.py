"""Which label means that an image is normal: by the words that people use for it, or as the config says."""

import re
from collections.abc import Iterable, Sequence

_NORMAL = re.compile(
    "good|ok|okay|normal|negative|free|pass|passed|healthy|intact|flawless|clean|undamaged"
    "|(no|without)(defects?|anomaly|anomalies|faults?)|(defect|anomaly|fault)free|(non|not|un)(defect|defective|anomalous)"
)
_DEFECTIVE = re.compile(
    "bad|ko|ng|nok|notok|positive|fail|failed|defects?|defective|anomaly|anomalies|anomalous|abnormal"
)
_NOUGHT = re.compile(r"0+(\.0*)?|false|no")
_PICTURES = ("images", "image", "imgs", "img", "samples")
_SETS = ("mt",)


def is_called_normal(label: str) -> bool:
    """Whether a label, or the name of a folder, is a word for it: OK, defect-free, NODefect_images, MT_Free."""
    return _NORMAL.fullmatch(_plain(label)) is not None


def is_called_defective(label: str) -> bool:
    """Whether a label, or the name of a folder, says that there is a defect but not which: NG, bad."""
    return _DEFECTIVE.fullmatch(_plain(label)) is not None


def is_nought(label: str) -> bool:
    """Whether a label is 0, 0.0, false or no."""
    return _NOUGHT.fullmatch(label.strip().lower()) is not None


def normal_labels(labels: Iterable[str | None], given: Sequence[str] = ()) -> frozenset[str]:
    """Those of the labels that normal images have: words for it, or else noughts.

    Args:
        labels: of a collection; None is no label.
        given: the labels that the config calls normal, compared without regard to case; if there are any, words do not
            count.
    """
    known = {label for label in labels if label is not None}
    if given:
        wanted = {label.strip().casefold() for label in given}
        return frozenset(label for label in known if label.strip().casefold() in wanted)
    return frozenset(filter(is_called_normal, known)) or frozenset(filter(is_nought, known))


def _plain(label: str) -> str:
    """The label in small letters, without a set's name before it, a word for pictures after it, and what is between."""
    words = re.findall(r"[^\W_]+", label.lower())
    if len(words) > 1 and words[0] in _SETS:
        words = words[1:]
    if len(words) > 1 and words[-1] in _PICTURES:
        words = words[:-1]
    return "".join(words)
