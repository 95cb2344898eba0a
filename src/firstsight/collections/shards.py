"""Which images one job processes: a collection is cut into shards, and finished shards keep their images."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from firstsight.errors import FirstsightError

ID_DIGITS = 10
FEWEST_IMAGES, MOST_SMALL_IMAGES = 32, 1024
JOB_BYTES = 16 * 2**20
LEAST_JOBS, MOST_JOBS = 8, 500


def images_per_shard(count: int, image_bytes: float) -> int:
    """How many images make a shard if the user does not say.

    A job takes seconds to start, so it should have work for minutes; but a collection should make many jobs, and
    planning them should take seconds too. So a shard has at least 32 images and at least a five-hundredth of the
    collection; of small files it has as many as fill `JOB_BYTES` (at most 1024, and an eighth of the collection).

    Args:
        count: images in the whole collection, processed or not, so that planning again gives the same number.
        image_bytes: mean size of an image's file, in bytes.
    """
    small = min(JOB_BYTES / max(image_bytes, 1.0), MOST_SMALL_IMAGES, count / LEAST_JOBS)
    return max(FEWEST_IMAGES, math.floor(small), math.ceil(count / MOST_JOBS))


def plan_shards(images: Sequence[str], size: int, finished: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Cut the ids of a collection's images into shards.

    A finished shard whose members are all still in the collection is kept. All other images, sorted, are cut into runs
    of `size`; the last may be shorter. So adding images never repeats a finished shard, and removing an image dissolves
    only its own shard. If two finished shards share an image, the one whose id sorts first is kept. Planning again in
    the middle of a run gives the plan that the run started with, whichever of its shards are finished.

    Args:
        images: the ids, in any order, without duplicates.
        size: images per shard, at least 1.
        finished: from the id of a shard to those of its members, from earlier plans.

    Returns:
        From shard id to members, in the order of the shards' first members. Every image is in exactly one shard.

    Raises:
        FirstsightError: an image is listed twice, or `size` is below 1.
    """
    if size < 1:
        raise FirstsightError(f"images per shard must be at least 1, not {size}")
    remaining = set(images)
    if len(remaining) < len(images):
        ordered = sorted(images)
        twice = next(image for image, following in pairwise(ordered) if image == following)
        raise FirstsightError(f"image listed twice: {twice}")

    plan: dict[str, tuple[str, ...]] = {}
    for shard in sorted(finished):
        members = finished[shard]
        if members and len(set(members)) == len(members) and remaining.issuperset(members):
            plan[shard] = tuple(members)
            remaining.difference_update(members)
    rest = sorted(remaining)
    for start in range(0, len(rest), size):
        members = tuple(rest[start : start + size])
        digest = members_digest(members)
        digits = ID_DIGITS
        # Two of 100,000 shards share ten digits with probability 0.5 %; the later one then takes as many as it needs.
        while digest[:digits] in plan:
            digits += 1
        plan[digest[:digits]] = members
    return dict(sorted(plan.items(), key=lambda item: item[1]))


def members_digest(members: Sequence[str]) -> str:
    """The sha256, in hex, of the ids in UTF-8, each after its length in bytes, so that no two lists read alike."""
    digest = hashlib.sha256()
    for member in members:
        encoded = member.encode("utf-8", "backslashreplace")
        digest.update(f"{len(encoded)}:".encode() + encoded)
    return digest.hexdigest()
