"""Verdicts on results: regions are found again by their boxes, and what was left out belongs to no kind."""

import pandas

from firstsight.clustering.judged import (
    images_left_out,
    judge_clusters,
    judge_regions,
    region_verdicts,
    verdicts_say,
)
from firstsight.clustering.verdicts import Verdict


def verdict(image: str, word: str, box: tuple[int, int, int, int] | None = None, name: str = "") -> Verdict:
    return Verdict("tiles", "fca", image, box, word, name)


REGIONS = pandas.DataFrame(
    {
        "collection": "tiles",
        "detector": "fca",
        "image": ["a", "a", "b", "c"],
        "region": [1, 2, 1, 1],
        "x": [0, 50, 0, 0],
        "y": 0,
        "width": 20,
        "height": 20,
        "cluster": pandas.array([0, 1, 0, 1], dtype="Int32"),
        "cluster_name": ["cluster 0", "cluster 1", "cluster 0", "cluster 1"],
    }
)
CLUSTERS = pandas.DataFrame(
    {
        "collection": "tiles",
        "detector": "fca",
        "image": ["a", "b", "c", "d"],
        "cluster": [0, 0, 0, -1],
        "distance": [0.3, 0.1, 0.2, 9.0],
        "is_medoid": [False, True, False, False],
    }
)


def test_a_region_is_found_again_though_its_box_moved_a_little() -> None:
    said = [verdict("a", "normal", (2, 2, 20, 20)), verdict("a", "defect", (58, 0, 40, 40)), verdict("b", "defect")]
    assert region_verdicts(REGIONS, said).tolist() == ["normal", None, None, None]
    whole = [verdict("a", "normal"), verdict("a", "defect", (50, 0, 20, 20)), verdict("c", "kind", None, "x")]
    assert region_verdicts(REGIONS, whole).tolist() == ["normal", "defect", None, None]


def test_what_was_left_out_has_no_kind() -> None:
    said = [verdict("a", "normal", (0, 0, 20, 20)), verdict("c", "not of interest")]
    judged = judge_regions(REGIONS, said)
    assert judged["cluster"].isna().tolist() == [True, False, False, True]
    assert judged["cluster_name"].tolist() == ["judged normal", "cluster 1", "cluster 0", "not of interest"]
    assert REGIONS["cluster"].notna().all()


def test_an_image_without_anything_else_leaves_its_kind_and_the_next_is_its_medoid() -> None:
    said = [verdict("a", "normal", (0, 0, 20, 20)), verdict("b", "normal", (0, 0, 20, 20)), verdict("d", "normal")]
    out = images_left_out(REGIONS, said)
    assert out == {("tiles", "fca", "b"), ("tiles", "fca", "d")}
    kept = judge_clusters(CLUSTERS, out)
    assert kept["image"].tolist() == ["a", "c"]
    assert kept.loc[kept["is_medoid"], "image"].tolist() == ["c"]


def test_the_page_is_told_what_the_verdicts_say() -> None:
    images = pandas.DataFrame(
        {"score": [3.0, 1.0, 2.0, 0.5], "p_value": pandas.array([0.01, 0.04, 0.2, None], "Float64")}, list("abcd")
    )
    said = [
        verdict("a", "defect", (0, 0, 20, 20)),
        verdict("b", "normal"),
        verdict("c", "defect"),
        verdict("d", "normal"),
    ]
    said.append(verdict("c", "kind", None, "crack"))
    found = (
        "Your verdicts: 3 images judged, 1 region a defect, 1 region left out of kinds and exports, 1 kind named. "
        "Of the regions judged 50\u00a0% are defects. "
    )
    best = "The images judged are best told apart at a "
    kept = verdicts_say(REGIONS, images, said, threshold=1.5)
    assert kept == f"{found}No other score tells the images judged better apart."
    assert verdicts_say(REGIONS, images, said, threshold=0.5) == f"{found}{best}score of 1."
    assert verdicts_say(REGIONS, images, said, threshold=4.0) == f"{found}{best}score of 1.9."
    # By their p-values, the two with a defect lie on both sides of the normal one that has a p-value.
    told = verdicts_say(REGIONS, images, said, threshold=1.5, rate=0.05)
    assert told == f"{found}{best}rate of false alarms of 4\u00a0%."
    assert verdicts_say(REGIONS, images, said, threshold=1.5, chosen="They chose.") == f"{found}They chose."
    assert verdicts_say(REGIONS, images, [verdict("a", "defect")], threshold=1.5) == "Your verdicts: 1 image judged."
    gone = [verdict("a", "normal", (200, 200, 9, 9))]
    told = verdicts_say(REGIONS, images, gone, threshold=1.5)
    assert told == "Your verdicts: on regions that are no longer found."
    assert verdicts_say(REGIONS, images, [], threshold=1.5) == ""
