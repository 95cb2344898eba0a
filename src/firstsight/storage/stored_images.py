"""The images of a collection as its feature stores hold them."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas

from firstsight.storage.json import read_json
from firstsight.storage.store import ShardReader
from firstsight.storage.table_schemas import TRUTH_COLUMNS
from firstsight.storage.tables import read_table

Stored = tuple[ShardReader, str]

_TYPES: dict[str, Any] = {"is_normal": "boolean", "time": "datetime64[us]"}


def stored_images(shards: Sequence[Path]) -> list[Stored]:
    """The reader and key of every image that has features.

    Their order hangs on what the images hold alone, so that what is learned from them does too: not on their names, on
    the order of the shards, or on how a collection is cut into these.

    Raises:
        FirstsightError: a shard is missing or incomplete.
    """
    entries = [
        (content, image, (reader, key))
        for reader in map(ShardReader, shards)
        for content, image, key in usable_entries(reader)
    ]
    return [stored for *_, stored in sorted(entries, key=itemgetter(0, 1))]


def usable_entries(reader: ShardReader) -> list[tuple[str, str, str]]:
    """Of every image of a store that has features: `content_of` it, its id and its key.

    Sorted, these come in an order that hangs on what the images hold; equal images in the order of their ids.
    """
    keys = reader.keys()
    attributes = {key: reader.attributes(key) for key in keys}
    return [(content_of(entry), entry["image"], key) for key, entry in attributes.items() if entry["status"] == "ok"]


def random_images(images: Sequence[Stored], count: int, seed: int) -> list[Stored]:
    """``count`` of the `stored_images`, in random order (all where there are fewer).

    Every image has a random number that hangs on the seed and on what it holds, and those with the smallest are drawn:
    images that are added leave the draw as it is unless they are drawn themselves.
    """

    def number(stored: Stored) -> str:
        reader, key = stored
        return _digest(f"{seed} {content_of(reader.attributes(key))}")

    return sorted(images, key=number)[:count]


def content_of(attributes: Mapping[str, Any]) -> str:
    """A digest of what an entry of a store of features was made of, but for its name.

    Args:
        attributes: of the entry; its token begins with the id of the image, as made by
            `firstsight.collections.images.image_token`.
    """
    return _digest(str(attributes["token"]).removeprefix(f"{attributes['image']} "))


def images_token(images: Sequence[Stored]) -> str:
    """A digest of the images and their contents, so that training never resumes on other images."""
    return _digest("\0".join(str(reader.attributes(key)["token"]) for reader, key in images))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def read_images(manifests: Sequence[Path], truths: Sequence[Path]) -> pandas.DataFrame:
    """The `images` rows of shards with their labels and masks; a bad mask changes the status of a good image.

    Args:
        manifests: Parquet parts of the table `images`.
        truths: for each manifest, the JSON rows that the stage truth wrote.
    """
    images = []
    for manifest, truth in zip(manifests, truths, strict=True):
        part = read_table(manifest).set_index("image", drop=False)
        rows = pandas.DataFrame(read_json(truth)).set_index("image").loc[part.index]
        for column in TRUTH_COLUMNS:
            # Rows of an earlier version have no time.
            known = rows[column] if column in rows else pandas.Series(None, rows.index, object)
            part[column] = known.astype(_TYPES.get(column, object))
        part["status"] = part["status"].where(part["status"].ne("ok"), rows["status"])
        images.append(part.reset_index(drop=True))
    return pandas.concat(images, ignore_index=True)
