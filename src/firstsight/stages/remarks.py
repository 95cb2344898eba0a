"""What a user should know of a collection that can be used: one line for each kind of remark on its images."""

from collections import Counter
from collections.abc import Mapping

import pandas

MOST_LINES = 20
"""Of more kinds of remarks the rarest are told in the table alone."""

MIXED = 8
"""Images whose shorter sides differ by this factor hardly show one texture at one scale."""


def remarks_on(images: pandas.DataFrame) -> list[str]:
    """One line each for the range of values, what was left out, exact and near copies, and sizes that differ eightfold.

    Args:
        images: rows of the table `images` of one collection.
    """
    return [*_ranges(images), *_remarks(images), *_copies(images), *_sizes(images)]


def with_copies(images: pandas.DataFrame, copies: Mapping[str, str]) -> pandas.DataFrame:
    """The rows of one collection with ``duplicate_of``.

    Args:
        images: rows of the table `images`.
        copies: for each copy the image that it is a copy of, see `find_copies`.
    """
    first = images["image"].map(copies)
    return images.assign(duplicate_of=first.where(first.notna(), None).astype(object))


def _ranges(images: pandas.DataFrame) -> list[str]:
    known = images[images["value_low"].notna() & images["value_high"].notna()]
    return [
        f"{_images(len(rows))}: values from {float(str(low)):g} to {float(str(high)):g} are black to white"
        for (low, high), rows in known.groupby(["value_low", "value_high"])
    ]


def _remarks(images: pandas.DataFrame) -> list[str]:
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for image, remarks in images.loc[images["remark"].notna(), ["image", "remark"]].itertuples(index=False):
        for remark in str(remarks).split("; "):
            counts[remark] += 1
            examples.setdefault(remark, str(image))
    lines = [f"{_images(count)}: {remark} ({examples[remark]})" for remark, count in counts.most_common(MOST_LINES)]
    rest = len(counts) - len(lines)
    return [*lines, f"{rest:,} more remarks are in the table images"] if rest else lines


def _copies(images: pandas.DataFrame) -> list[str]:
    copies = images[images["duplicate_of"].notna()]
    if copies.empty:
        return []
    digests = images.set_index("image")["sha256"]
    exact = copies["sha256"].eq(copies["duplicate_of"].map(digests))
    return [
        *_told(copies[exact], "an exact copy", "exact copies"),
        *_told(copies[~exact], "a near copy", "near copies"),
    ]


def _told(copies: pandas.DataFrame, one: str, several: str) -> list[str]:
    if copies.empty:
        return []
    first = copies.iloc[0]
    verb = f"is {one} of another" if len(copies) == 1 else f"are {several} of others"
    return [f"{_images(len(copies))} {verb} ({first['image']} of {first['duplicate_of']})"]


def _sizes(images: pandas.DataFrame) -> list[str]:
    usable = images[images["status"].eq("ok") & images["width"].notna()]
    if usable.empty:
        return []
    sides = usable[["width", "height"]].astype(int).min(axis=1)
    least, most = usable.iloc[int(sides.argmin())], usable.iloc[int(sides.argmax())]
    if sides.max() < MIXED * sides.min():
        return []
    sizes = [f"{row['width']} x {row['height']} ({row['image']})" for row in (least, most)]
    return [f"images differ eightfold or more in size, from {sizes[0]} to {sizes[1]}: better two collections"]


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"
