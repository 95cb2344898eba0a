"""What is kept of a finished run: what changed stays to be read until something changes again."""

import gzip
from dataclasses import replace
from pathlib import Path

import pandas

from firstsight.reports.last_run import Run, keep_run, read_last_runs, run_before, summary_of
from page_samples import NOT_UNICODE, SCRIPT, sample_page


def make_page(path: Path, run: Run) -> Run | None:
    """What a page of this run would be compared with, after which it is finished."""
    before = run_before(run, read_last_runs(path))
    keep_run(path, run, before)
    return before


def with_rate(rate: float | None) -> Run:
    page = sample_page()
    tiles = page.collections[0]
    changed = replace(tiles, detectors=(replace(tiles.detectors[0], rate=rate), *tiles.detectors[1:]))
    return summary_of(replace(page, collections=(changed, *page.collections[1:])))


def test_a_run_is_compared_with_the_last_one_that_had_other_results(tmp_path: Path) -> None:
    path, runs = tmp_path / "last_run.json.gz", [with_rate(rate) for rate in (None, 0.05, 0.02)]
    assert make_page(path, runs[0]) is None
    # Nothing has changed, and nothing was to be read before.
    assert make_page(path, runs[0]) is None
    assert make_page(path, runs[1]) == runs[0]
    # Whoever runs again without a change still sees what the verdicts did.
    assert make_page(path, runs[1]) == runs[0]
    # A page that was not finished leaves all as it was.
    assert run_before(runs[2], read_last_runs(path)) == runs[1]
    assert make_page(path, runs[2]) == runs[1]
    assert make_page(path, runs[1]) == runs[2]


def test_what_cannot_be_understood_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    path = tmp_path / "last_run.json.gz"
    assert read_last_runs(path) is None
    for content in (b"", b"{", b"[1]", b'{"last": {"collections": {"a": 3}}, "before": null}', b"\xff"):
        for stored in (content, gzip.compress(content), gzip.compress(content)[:-3]):
            path.write_bytes(stored)
            assert read_last_runs(path) is None


def test_images_and_kinds_are_kept_by_name(tmp_path: Path) -> None:
    page = sample_page()
    tiles = page.collections[0]
    names = [NOT_UNICODE if name == SCRIPT else name for name in tiles.images["image"]]
    images = tiles.images.assign(image=pandas.Series(names, index=tiles.images.index, dtype=object))
    results = tiles.detectors[0].image_results
    results = results.set_axis(
        pandas.Index([NOT_UNICODE if name == SCRIPT else name for name in results.index], dtype=object)
    )
    detector = replace(tiles.detectors[0], image_results=results)
    run = summary_of(replace(page, collections=(replace(tiles, images=images, detectors=(detector,)),)))
    keep_run(tmp_path / "last_run.json.gz", run, None)
    kept = read_last_runs(tmp_path / "last_run.json.gz")
    assert kept is not None
    assert kept.last == run
    found = run.collections["tiles"].detectors[detector.name]
    assert len(run.collections["tiles"].images) == len(tiles.images)
    assert len(found.anomalous) == detector.n_anomalous
    sizes = results["cluster"].value_counts()
    expected = {each.name: sizes[each.cluster] for each in detector.clusters if each.cluster >= 0}
    assert {name: len(members) for name, members in found.kinds.items()} == expected
