import random
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstsight.collections import shards
from firstsight.collections.shards import images_per_shard, members_digest, plan_shards
from firstsight.errors import FirstsightError

names = st.text(max_size=4)
collections = st.lists(names, unique=True, max_size=40)
sizes = st.integers(1, 9)


def assert_partition(plan: dict[str, tuple[str, ...]], images: list[str]) -> None:
    assert sorted(image for members in plan.values() for image in members) == sorted(images)
    assert all(plan.values())


def test_sorted_runs_with_a_short_last_one() -> None:
    plan = plan_shards(["c", "a", "e", "b", "d"], 2, {})
    assert list(plan.values()) == [("a", "b"), ("c", "d"), ("e",)]
    assert all(len(shard) == 10 and int(shard, 16) >= 0 for shard in plan)


def test_ids_never_change() -> None:
    # Written down, since a changed id means that every finished shard of every user is done again.
    # printf "5:a.png8:ä/b.png" | sha256sum
    assert list(plan_shards(["a.png", "ä/b.png"], 2, {})) == ["ff7757ccb4"]


def test_digest_tells_lists_apart_that_read_alike() -> None:
    lists = [("ab",), ("a", "b"), ("a", "b", ""), ("", "a", "b"), ("b", "a"), ("1:a", "b"), ()]
    assert len({members_digest(members) for members in lists}) == len(lists)


def test_added_images_leave_finished_shards_alone() -> None:
    before = plan_shards(["b", "d", "f", "h"], 2, {})
    after = plan_shards(["a", "b", "c", "d", "e", "f", "h"], 2, before)
    assert list(after.values()) == [("a", "c"), ("b", "d"), ("e",), ("f", "h")]
    assert before.items() <= after.items()


def test_a_removed_image_dissolves_only_its_own_shard() -> None:
    before = plan_shards("abcdef", 2, {})
    after = plan_shards("abdef", 2, before)
    assert list(after.values()) == [("a", "b"), ("d",), ("e", "f")]
    assert len(before.keys() & after.keys()) == 2


def test_where_finished_shards_overlap_the_first_id_stays() -> None:
    assert plan_shards("abc", 9, {"2": ["a", "b"], "1": ["b", "c"]})["1"] == ("b", "c")
    # A shard that cannot be kept does not stand in the way of a later one.
    kept = plan_shards("abc", 9, {"2": ["a", "b"], "1": ["b", "gone"]})
    assert kept["2"] == ("a", "b")
    assert "1" not in kept


def test_finished_shards_keep_their_id_and_order_and_empty_ones_go() -> None:
    plan = plan_shards("abc", 1, {"mine": ["c", "a"], "none": [], "twice": ["b", "b"]})
    assert plan["mine"] == ("c", "a")
    assert sorted(plan.values()) == [("b",), ("c", "a")]
    assert not {"none", "twice"} & plan.keys()


def test_equal_short_ids_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "ID_DIGITS", 1)
    images = [f"{number:03d}" for number in range(100)]
    plan = plan_shards(images, 1, {})
    assert len(plan) == 100
    assert_partition(plan, images)
    half = dict(random.Random(0).sample(sorted(plan.items()), 50))
    assert plan_shards(images, 1, half) == plan


@given(collections, sizes, st.randoms())
def test_a_plan_is_a_partition_whatever_the_order(images: list[str], size: int, order: Random) -> None:
    plan = plan_shards(images, size, {})
    assert_partition(plan, images)
    assert all(len(members) <= size for members in plan.values())
    assert len(plan) == -(-len(images) // size)
    order.shuffle(images)
    assert list(plan_shards(images, size, {}).items()) == list(plan.items())


@given(collections, sizes, collections, sizes, st.data())
def test_replanning_in_the_middle_of_a_run_changes_nothing(
    images: list[str], size: int, added: list[str], other_size: int, data: st.DataObject
) -> None:
    first = plan_shards(images, other_size, {})
    more = sorted({*images, *added})
    kept = dict(data.draw(st.lists(st.sampled_from(sorted(first.items())), unique=True))) if first else {}
    plan = plan_shards(more, size, kept)
    assert_partition(plan, more)
    assert kept.items() <= plan.items()
    finished = dict(data.draw(st.lists(st.sampled_from(sorted(plan.items())), unique=True))) if plan else {}
    assert list(plan_shards(more, size, {**kept, **finished}).items()) == list(plan.items())


@given(collections.filter(bool), sizes, st.data())
def test_removing_keeps_every_shard_that_lost_nothing(images: list[str], size: int, data: st.DataObject) -> None:
    before = plan_shards(images, size, {})
    gone = data.draw(st.sets(st.sampled_from(images)))
    left = [image for image in images if image not in gone]
    after = plan_shards(left, size, before)
    assert_partition(after, left)
    for shard, members in before.items():
        assert (shard in after and after[shard] == members) == (not gone & set(members))


@given(collections, sizes, st.dictionaries(names, st.lists(names, max_size=4), max_size=8))
def test_any_record_of_finished_shards_gives_a_partition(
    images: list[str], size: int, finished: dict[str, list[str]]
) -> None:
    assert_partition(plan_shards(images, size, finished), images)


def test_errors_name_the_value() -> None:
    with pytest.raises(FirstsightError, match="at least 1, not 0"):
        plan_shards(["a"], 0, {})
    with pytest.raises(FirstsightError, match="image listed twice: b"):
        plan_shards(["b", "a", "b"], 3, {})
    assert plan_shards([], 3, {}) == {}


@pytest.mark.parametrize(
    ("count", "kilobytes", "expected"),
    [
        (1, 4, 32),
        (500, 4, 62),
        (2000, 4, 250),
        (10_000, 4, 1024),
        (10_000, 100, 163),
        (10_000, 5000, 32),
        (100_000, 5000, 200),
        (100_000, 4, 1024),
        (1_000_000, 4, 2000),
        (10_000, float("inf"), 32),
        (10_000, 0, 1024),
    ],
)
def test_small_and_many_images_make_large_shards(count: int, kilobytes: float, expected: int) -> None:
    assert images_per_shard(count, kilobytes * 1024) == expected


@given(st.integers(1, 10**7), st.floats(0, 1e9))
def test_a_collection_has_few_shards_but_not_too_few(count: int, image_bytes: float) -> None:
    size = images_per_shard(count, image_bytes)
    assert size >= 32
    assert count / size <= 500
    assert size == 32 or count / size >= 8
