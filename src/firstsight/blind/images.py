"""The images of a collection as its stores of features hold them."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path

import torch

from firstsight.features.store import ShardReader

Stored = tuple[ShardReader, str]


def stored_images(shards: Sequence[Path]) -> Iterator[Stored]:
    """Reader and key of every image that has features, in order.

    Raises:
        FirstsightError: a shard that is not there or not whole.
    """
    for reader in map(ShardReader, shards):
        keys = reader.keys()
        for key in keys:
            if reader.attributes(key)["status"] == "ok":
                yield reader, key


def images_token(images: Sequence[Stored]) -> str:
    """Names the images and their contents, so that training never goes on with others."""
    digest = sha256()
    for reader, key in images:
        digest.update(str(reader.attributes(key)["token"]).encode() + b"\0")
    return digest.hexdigest()


def random_images(shards: Sequence[Path], count: int, generator: torch.Generator) -> list[Stored]:
    """So many images that have features, at random (all of them, in random order, where there are fewer)."""
    readers = {reader: reader.keys() for reader in map(ShardReader, shards)}
    entries = [(reader, key) for reader, keys in readers.items() for key in keys]
    order = torch.randperm(len(entries), generator=generator).tolist()
    usable = (entries[index] for index in order if entries[index][0].attributes(entries[index][1])["status"] == "ok")
    return list(islice(usable, count))
