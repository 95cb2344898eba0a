"""What has changed since the last run, in words and with the images that are called otherwise."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firstsight.reports.last_run import CollectionThen, DetectorThen, Run
from firstsight.reports.page_text import number
from firstsight.wording import plural

MOST_NAMED = 12
"""How many images that are called otherwise are named."""

_BY_NUMBER = re.compile(r"cluster \d+")


@dataclass(frozen=True)
class Changes:
    """What has changed for one detector in one collection.

    Args:
        newly: the images that are called anomalous and were not, though they were there.
        no_longer: the images that were called anomalous and are not.
        lines: what else, a sentence each: images that came and went, the threshold, kinds.
    """

    newly: tuple[str, ...] = ()
    no_longer: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.newly or self.no_longer or self.lines)


def changes_since(now: Run, then: Run | None, collection: str, detector: str) -> Changes:
    """Compare one detector in one collection with the run before; nothing where it had no part in that."""
    if then is None or collection not in then.collections:
        return Changes()
    new, old = now.collections[collection], then.collections[collection]
    if detector not in old.detectors or detector not in new.detectors:
        return Changes()
    after, before = new.detectors[detector], old.detectors[detector]
    both = set(new.images) & set(old.images)
    is_called, was_called = set(after.anomalous), set(before.anomalous)
    lines = [_came_and_went(new, old, is_called), _moved(after, before), *_kinds(after.kinds, before.kinds)]
    return Changes(
        tuple(sorted((is_called - was_called) & both)),
        tuple(sorted((was_called - is_called) & both)),
        tuple(filter(None, lines)),
    )


def _came_and_went(new: CollectionThen, old: CollectionThen, is_called: set[str]) -> str:
    came, went = set(new.images) - set(old.images), set(old.images) - set(new.images)
    parts = []
    if came:
        parts.append(f"{plural(len(came), 'image')} came, {len(came & is_called):,} of them anomalous")
    if went:
        parts.append(f"{plural(len(went), 'image')} went")
    return f"{'; '.join(parts)}." if parts else ""


def _moved(after: DetectorThen, before: DetectorThen) -> str:
    """How the threshold moved. Where a rate decides, every image has its own, and the rate is what counts."""
    (what, value), (was, earlier) = _decision(after), _decision(before)
    if (what, value) == (was, earlier):
        return ""
    return f"The {what} is {value}, before {'' if what == was else f'the {was} was '}{earlier}."


def _decision(detector: DetectorThen) -> tuple[str, str]:
    """What decides, and its value."""
    if detector.rate is None:
        return "threshold", number(detector.threshold)
    return "rate of false alarms", f"{100 * detector.rate:.3g}\u00a0%"


def _kinds(after: Mapping[str, Sequence[str]], before: Mapping[str, Sequence[str]]) -> list[str]:
    """Kinds that were renamed, or merged, by where most of their images are now.

    Numbers are given anew in every run: a kind that had one and has another is not renamed.
    """
    kind_of = {image: name for name, images in after.items() for image in images}
    came_from: dict[str, list[str]] = {}
    for name, images in before.items():
        counts = Counter(kind_of[image] for image in images if image in kind_of)
        now, most = min(counts.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
        if 2 * most > len(images):
            came_from.setdefault(now, []).append(name)
    lines = []
    for now in sorted(came_from):
        names = sorted(came_from[now])
        if len(names) > 1:
            lines.append(f"The kinds {_listed(names)} are one now: {now}.")
        elif names != [now] and not (_BY_NUMBER.fullmatch(now) and _BY_NUMBER.fullmatch(names[0])):
            lines.append(f"The kind {names[0]} is called {now} now.")
    if len(after) != len(before):
        lines.append(f"{plural(len(after), 'kind')}, before {len(before)}.")
    return lines


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
