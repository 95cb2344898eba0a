"""The paths of a run: where everything lies, each in one place only."""

import string
from dataclasses import asdict
from pathlib import PurePosixPath

import pytest

from firstsight.plan.paths import fingerprint_in, paths_below

WILDCARDS = {"collection", "shard", "features", "detector", "kinds", "table", "format", "group"}


def wildcards_of(pattern: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(pattern) if name}


def test_all_lie_below_the_results_and_no_two_are_the_same() -> None:
    patterns = asdict(paths_below(PurePosixPath("out/here")))
    assert all(pattern.startswith("out/here/") for pattern in patterns.values())
    assert len(set(patterns.values())) == len(patterns)
    assert set().union(*map(wildcards_of, patterns.values())) == WILDCARDS


def test_a_record_and_a_log_have_the_wildcards_of_what_they_are_about() -> None:
    patterns = asdict(paths_below(PurePosixPath("out")))
    about = {"manifest", "truth", "features", "tuned", "model", "maps", "threshold", "overlays", "descriptors", "head"}
    about |= {"charts", "metrics", "page", "export", "names"}
    for name in about:
        expected = wildcards_of(patterns[name])
        assert wildcards_of(patterns[f"{name}_record"]) == expected, name
        assert wildcards_of(patterns[f"{name}_log"]) == expected, name
        assert patterns[f"{name}_log"].startswith("out/logs/")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("maps", "out/tiles/detectors/fca-0123456789/maps/abcdefabcd.zarr.zip"),
        ("features", "out/tiles/features/laws-9876543210/abcdefabcd.zarr.zip"),
        ("clusters", "out/tiles/detectors/fca-0123456789/kinds/clusters.parquet"),
        ("members", "out/tiles/shards/abcdefabcd/members.json"),
        ("export", "out/exports/tiles/fca-0123456789/coco"),
        ("page", "out/reports/index.html"),
    ],
)
def test_results_of_earlier_versions_are_found(name: str, path: str) -> None:
    values = {
        "collection": "tiles",
        "shard": "abcdefabcd",
        "features": "laws-9876543210",
        "detector": "fca-0123456789",
        "kinds": "kinds",
        "format": "coco",
    }
    assert asdict(paths_below(PurePosixPath("out")))[name].format(**values) == path


@pytest.mark.parametrize(
    ("path", "fingerprint"),
    [
        ("out/c/detectors/fca_small-0123456789/kinds/clusters.run.json", "0123456789"),
        ("out/c/features/laws-9876543210/abcdefabcd.run.json", "9876543210"),
        ("out/c/shards/abcdefabcd/manifest.run.json", ""),
        ("out/features/laws-9876543210/c/detectors/fca-0123456789/model.run.json", "0123456789"),
    ],
)
def test_the_fingerprint_is_that_of_the_innermost_folder(path: str, fingerprint: str) -> None:
    assert fingerprint_in(PurePosixPath(path)) == fingerprint
