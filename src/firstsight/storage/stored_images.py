"""The images of a collection as its feature stores hold them."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pandas

from firstsight.storage.json import read_json
from firstsight.storage.store import ShardReader
from firstsight.storage.tables import read_table

if TYPE_CHECKING:
    import torch

Stored = tuple[ShardReader, str]


def stored_images(shards: Sequence[Path]) -> Iterator[Stored]:
    """The reader and key of every image that has features, in order.

    Raises:
        FirstsightError: a shard is missing or incomplete.
    """
    for reader in map(ShardReader, shards):
        keys = reader.keys()
        for key in keys:
            if reader.attributes(key)["status"] == "ok":
                yield reader, key


def images_token(images: Sequence[Stored]) -> str:
    """A digest of the images and their contents, so that training never resumes on other images."""
    digest = sha256()
    for reader, key in images:
        digest.update(str(reader.attributes(key)["token"]).encode() + b"\0")
    return digest.hexdigest()


def random_images(shards: Sequence[Path], count: int, generator: "torch.Generator") -> list[Stored]:
    """``count`` images that have features, in random order (all such images if there are fewer)."""
    # Importing torch takes seconds, and only what learns draws images.
    import torch  # noqa: PLC0415

    readers = {reader: reader.keys() for reader in map(ShardReader, shards)}
    entries = [(reader, key) for reader, keys in readers.items() for key in keys]
    order = torch.randperm(len(entries), generator=generator).tolist()
    usable = (entries[index] for index in order if entries[index][0].attributes(entries[index][1])["status"] == "ok")
    return list(islice(usable, count))


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
        part["label"], part["mask"] = rows["label"].astype(object), rows["mask"].astype(object)
        part["status"] = part["status"].where(part["status"].ne("ok"), rows["status"])
        images.append(part.reset_index(drop=True))
    return pandas.concat(images, ignore_index=True)
