"""What the kinds of a group are found from: scores and descriptors of its collections, read shard by shard."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

import numpy as np
import pandas
from numpy.typing import NDArray

from firstsight.clustering.across import against_normal
from firstsight.clustering.descriptors import TEMPERATURES
from firstsight.clustering.normal_cells import NormalCells, whitening
from firstsight.plan.groups import GroupPart
from firstsight.storage.archives import read_arrays
from firstsight.storage.json import read_json

Key = tuple[str, str, int]
"""Collection, image and region; region 0 is the whole image."""


class Described(NamedTuple):
    """Images of a shard and their regions: M together.

    keys: M of them.
    descriptors: (M, W, C), ready to be compared.
    """

    keys: list[Key]
    descriptors: NDArray[np.float64]


def read_scores(parts: Sequence[GroupPart]) -> pandas.DataFrame:
    """What the decision says of every image with a map, and the rate of each decision."""
    frames = []
    for part in parts:
        for path in part.scores:
            content = read_json(path)
            rows = [row for row in content["rows"] if row["status"] == "ok"]
            frames.append(
                pandas.DataFrame(
                    {
                        "collection": part.collection,
                        "image": [row["image"] for row in rows],
                        "anomalous": [row["anomalous_area"] > 0 for row in rows],
                        "p_value": np.array([row["p_value"] for row in rows], np.float64),
                        "score": np.array([row["score"] for row in rows], np.float64),
                        "rate": np.full(len(rows), np.nan if content["rate"] is None else content["rate"]),
                    }
                )
            )
    scores = pandas.concat(frames, ignore_index=True)
    return scores.astype({"anomalous": bool}).sort_values(["collection", "image"]).set_index(["collection", "image"])


def described(part: GroupPart, scores: pandas.DataFrame, differ: bool) -> Iterator[Described]:
    """The images of a collection that are sorted, and their regions, shard by shard.

    Those are all images where the texture is the same, and the anomalous ones where textures differ.
    """
    own = scores.loc[part.collection] if part.collection in scores.index.get_level_values(0) else scores.iloc[:0]
    sorted_images = set(own.index[own["anomalous"]] if differ else own.index)
    matrix = _whitening(part) if differ else None
    normal_files = part.normal_cells if differ else [None] * len(part.descriptors)
    for path, normal_file in zip(part.descriptors, normal_files, strict=True):
        images, values, of, numbers, regions = read_arrays(
            path, "image", "descriptor", "region_image", "region_number", "region_descriptor"
        )
        keys = [(part.collection, str(image), 0) for image in images]
        keys += [(part.collection, str(image), int(number)) for image, number in zip(of, numbers, strict=True)]
        chosen = np.array([image in sorted_images for _, image, _ in keys], bool)
        if not chosen.any():
            continue
        descriptors = np.concatenate([values, regions] if len(regions) else [values])[chosen].astype(np.float64)
        keys = [key for key, wanted in zip(keys, chosen, strict=True) if wanted]
        if normal_file is not None and matrix is not None:
            names, normal = read_arrays(normal_file, "image", "normal")
            place = {str(name): row for row, name in enumerate(names)}
            # Normal cells are of the first layer alone, whose weightings come first.
            of_layer = descriptors[:, : len(TEMPERATURES[0]), : normal.shape[1]]
            descriptors = against_normal(of_layer, normal[[place[image] for _, image, _ in keys]], matrix)
        yield Described(keys, descriptors)


def _whitening(part: GroupPart) -> NDArray[np.float64]:
    count, total = 0, np.zeros((0, 0))
    for path in sorted(part.normal_cells):
        number, scatter = read_arrays(path, "count", "scatter")
        if number > 0:
            total = scatter + (total if count else 0.0)
            count += int(number)
    return whitening(NormalCells(count, total))


def sample_images(
    parts: Sequence[GroupPart], scores: pandas.DataFrame, differ: bool, largest: int
) -> tuple[list[Key], NDArray[np.float64]]:
    """The images that kinds are fitted on, in the order of their names, and their descriptors."""
    drawn: list[tuple[bytes, Key, NDArray[np.float32]]] = []
    for part in parts:
        for shard in described(part, scores, differ):
            for key, row in zip(shard.keys, shard.descriptors.astype(np.float32), strict=True):
                if key[2] == 0:
                    drawn.append((sha256("\0".join(key[:2]).encode("utf-8", "backslashreplace")).digest(), key, row))
            if len(drawn) > 2 * largest:
                drawn = sorted(drawn, key=lambda each: each[0])[:largest]
    drawn = sorted(sorted(drawn, key=lambda each: each[0])[:largest], key=lambda each: each[1])
    return [key for _, key, _ in drawn], np.array([row for *_, row in drawn], np.float64)
