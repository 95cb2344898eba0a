"""Notes on images, by which the gallery is filtered."""

import pandas

from firstsight.reports.image_notes import NOTES, image_notes


def test_each_column_has_its_note() -> None:
    images = pandas.DataFrame(
        {
            "duplicate_of": ["a.png", None, None, None, "a.png"],
            "is_texture": pandas.array([True, False, None, True, False], dtype="boolean"),
            "remark": [None, None, "only the first of its 3 frames is read", None, "x"],
            "truth_remark": [None, None, None, "labelled good, but its mask is not empty", "y"],
        },
        index=[3, 1, 4, 15, 9],
    )
    expected = [(NOTES[0],), (NOTES[1],), (NOTES[2],), (NOTES[3],), NOTES]
    assert image_notes(images).to_dict() == dict(zip(images.index, expected, strict=True))


def test_a_collection_without_images_has_no_notes() -> None:
    empty = pandas.DataFrame(columns=["duplicate_of", "is_texture", "remark", "truth_remark"], dtype=object)
    assert list(image_notes(empty)) == []
