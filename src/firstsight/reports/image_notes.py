"""What is worth knowing of an image before its map is looked at: notes by which the gallery is filtered."""

import pandas

NOTES = ("copy of another", "may be no texture", "remark on the file", "remark on its label or mask")
"""The notes there are, in the order of the page."""


def image_notes(images: pandas.DataFrame) -> pandas.Series:
    """The notes on each image, as a tuple of some of `NOTES`.

    Args:
        images: rows of the table `images`.
    """
    columns = [
        images["duplicate_of"].notna(),
        images["is_texture"].eq(False).fillna(value=False),
        images["remark"].notna(),
        images["truth_remark"].notna(),
    ]
    rows = zip(*(column.astype(bool) for column in columns), strict=True)
    notes = [tuple(note for note, holds in zip(NOTES, row, strict=True) if holds) for row in rows]
    return pandas.Series(notes, index=images.index, dtype=object)
