"""Groups of collections: which there are, and what a mistake in them says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firstsight.errors import ConfigError
from firstsight.plan.groups import GroupPlan, group_name, groups_of_page, learned_collections, parts_of_group
from firstsight.plan.loading import load_settings
from firstsight.plan.paths import paths_below
from firstsight.plan.provenance import settings_of_job
from firstsight.plan.run import Plan, plan_run

ROOT = Path(__file__).resolve().parents[2]


def plan(folder: Path, across: Any, **entries: Any) -> Plan:
    path = str(folder / "pile")
    collections = {"b": {"path": path}, "a": {"path": path}, "c": {"path": path}, **entries}
    config = {
        "results": str(folder / "results"),
        "collections": {name: entry for name, entry in collections.items() if entry},
        "features": {"extractor": "laws"},
        "detectors": {"fca": {}},
        "clustering": {"across": across},
    }
    return plan_run(load_settings(ROOT / "config.yaml", config))


def groups(folder: Path, across: Any, **entries: Any) -> dict[str, GroupPlan]:
    return plan(folder, across, **entries).groups


def mistakes(folder: Path, across: Any, **entries: Any) -> list[str]:
    with pytest.raises(ConfigError) as error:
        plan(folder, across, **entries)
    return [mistake.says for mistake in error.value.mistakes]


def test_a_group_does_not_depend_on_the_order_of_its_collections(folder: Path) -> None:
    assert groups(folder, []) == {}
    found = groups(folder, [["b", "a"], ["c", "b"]])
    assert list(found) == ["a+b", "b+c"]
    assert found["a+b"].collections == ("a", "b")
    assert found["a+b"] == groups(folder, [["a", "b"]])["a+b"]
    assert list(found["a+b"].detectors) == ["fca"]


def test_all_is_one_group_with_new_images_in_it(folder: Path) -> None:
    found = groups(folder, "all", new={"path": str(folder / "pile"), "assign_to": "a"})
    assert list(found) == ["all"]
    assert found["all"].collections == ("a", "b", "c", "new")
    text = settings_of_job(plan(folder, "all").collections["a"])
    assert "across" not in text, "the settings of a collection do not know its groups"


def test_detectors_may_learn_from_all_collections_of_their_groups(folder: Path) -> None:
    new = {"path": str(folder / "pile"), "assign_to": "a"}
    whole = plan(folder, [["a", "b"], ["b", "c"], ["a", "new"]], new=new, d={"path": str(folder / "pile")})
    detector = whole.collections["a"].detectors["fca"]
    learned = {
        name: learned_collections(name, detector, whole.groups.values(), whole.collections)
        for name in whole.collections
    }
    assert learned == {
        "a": ["a", "b"],
        "b": ["a", "b", "c"],
        "c": ["b", "c"],
        "d": ["d"],
        "new": ["a", "new"],
    }
    of_normal = replace(detector, normal=True)
    assert learned_collections("b", of_normal, whole.groups.values(), whole.collections) == ["b"]


def test_a_long_name_is_cut(folder: Path) -> None:
    members = tuple(f"collection_{number:02d}" for number in range(20))
    name = group_name(members)
    assert name.startswith("collection_00+19-")
    assert name == group_name(members[::-1]) != group_name((*members[:-1], "other"))


@pytest.mark.parametrize(
    ("across", "says"),
    [
        ([["a", "d"]], "clustering.across: unknown collection 'd'; there are b, a, c"),
        (
            ["a", "b"],
            "clustering.across: ['a', 'b'] should be a list of groups, each of them a list of names: "
            "[[line_a, line_b]]",
        ),
        ([["a"]], "clustering.across: [['a']] has a group of one: a group needs two collections or more"),
        ([["a", "b", "a"]], "clustering.across: [['a', 'b', 'a']] has a twice in a group"),
        ([["a", "b"], ["b", "a"]], "clustering.across: [['a', 'b'], ['b', 'a']] has a group twice"),
    ],
)
def test_a_mistake_is_one_line(folder: Path, across: Any, says: str) -> None:
    (line,) = mistakes(folder, across)
    assert line.replace("(", "[").replace(")", "]").replace(",]", "]") == says


@pytest.mark.parametrize(
    ("clustering", "says"),
    [
        ({"across": "all", "textures": "different"}, "true, and textures: different, exclude each other"),
        ({}, "true has no meaning without groups of collections (across)"),
    ],
)
def test_learning_across_needs_groups_of_one_texture(folder: Path, clustering: Any, says: str) -> None:
    config = {"collections": {"a": str(folder / "pile")}, "clustering": {**clustering, "learn_across": True}}
    with pytest.raises(ConfigError) as error:
        load_settings(ROOT / "config.yaml", config)
    assert [mistake.says for mistake in error.value.mistakes] == [f"clustering.learn_across: {says}"]


def test_all_of_one_collection_is_no_group(folder: Path) -> None:
    text = "clustering.across: all is a group of one: a group needs two collections or more"
    assert mistakes(folder, "all", b=None, c=None) == [text]


def test_collections_of_a_group_have_the_same_features_and_detectors(folder: Path) -> None:
    path = str(folder / "pile")
    other = {"path": path, "features": {"extractor": "steerable"}}
    line = "clustering.across: b does not compare with a: its features.extractor is steerable, not laws"
    assert mistakes(folder, [["b", "a"]], b=other) == [line]
    small = {"path": path, "detectors": {"fca": {"patch_size": 5}}}
    assert mistakes(folder, "all", c=small) == [
        "clustering.across: c does not compare with a: their detectors, or the settings or layers of these, "
        "are not the same"
    ]
    assert list(groups(folder, [["a", "b"]], c=small)) == ["a+b"], "others may differ"


def test_a_collection_has_no_groups_of_its_own(folder: Path) -> None:
    entry = {"path": str(folder / "pile"), "clustering": {"across": "all"}}
    assert "collections.a.clustering.across: unknown key" in mistakes(folder, [], a=entry)[0]


def test_a_group_is_made_from_the_plain_descriptors_of_all_shards(folder: Path) -> None:
    planned = plan(folder, [["b", "a"]], a={"path": str(folder / "pile"), "images_per_job": 2})
    group, paths = planned.groups["a+b"], paths_below(planned.results)
    detector = group.detectors["fca"]
    parts = parts_of_group(group, planned.collections, paths, detector, "auto")
    assert [part.collection for part in parts] == ["a", "b"]
    assert [len(part.descriptors) for part in parts] == [3, 1]
    for part in parts:
        assert len(part.files) == 3 * len(part.descriptors)
        assert all(path.parts[-3:-1] == ("kinds", "described") for path in part.descriptors)
    same = parts_of_group(group, planned.collections, paths, detector, "same")
    assert not same[0].normal_cells, "of the same texture they are not needed"
    (page,) = groups_of_page(planned.groups.values(), paths)
    assert (page["group"], page["detector"], list(page["overlays"])) == ("a+b", "fca", ["a", "b"])
    assert page["summary"].endswith(f"groups/a+b/{detector}/clusters.json")
