"""A mistake in the config: one clear line that names the key, and no job starts."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from running import run


def one_image(folder: Path) -> str:
    (folder / "pile").mkdir()
    Image.effect_noise((64, 64), 30).save(folder / "pile/a.png")
    return "pile"


# A run tells all mistakes of a config at once, so one start of Snakemake serves for several.
@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (
            {
                "feature": {},
                "gpu_request": "gpus",
                "dask": {"scheduler": "here"},
                "images_per_job": "all",
                "detectors": {"fca": {"patch_size": 4}},
            },
            [
                "config: feature: unknown key; did you mean features?",
                "config: gpu_request: 'gpus' is not one of gpu, gres, null",
                "config: dask.scheduler: 'here' is not valid (local: in the job itself",
                "config: images_per_job: 'all' should be auto or a whole number",
                "config: detectors.fca.patch_size: 4 should be odd",
            ],
        ),
        (
            {"dask": {"workers": 2}},
            ["config: dask.workers: has no meaning with scheduler local, only with slurm"],
        ),
        (
            {"collections": {"pile": {"path": "nowhere"}}},
            ["config: collections.pile.path: no such file or folder: nowhere (looked for at "],
        ),
        ({"features": {"weights": "none.pth"}}, ["config: features.weights: "]),
    ],
)
def test_a_line_for_each_mistake_and_no_job(tmp_path: Path, change: dict[str, Any], messages: list[str]) -> None:
    config = {"collections": {"pile": {"path": one_image(tmp_path)}}, **change}
    done = run(tmp_path, config=config)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("firstsight: ")]
    assert told == lines[-len(messages) :]
    for message in messages:
        (line,) = [line for line in told if line.startswith(f"firstsight: {message}")]
        told.remove(line)
    assert not told
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "results").exists()


def test_all_mistakes_are_told_with_their_lines(tmp_path: Path) -> None:
    config = {"collections": {"pile": one_image(tmp_path)}, "detectors": {"fca": {"patch_size": 4}}, "feature": {}}
    done = run(tmp_path, config=config)
    lines = [line for line in done.stderr.splitlines() if line.startswith("firstsight: ")]
    place = tmp_path / "mine.yaml"
    assert lines == [
        f"firstsight: config: feature: unknown key; did you mean features? [{place}, line 6]",
        f"firstsight: config: detectors.fca.patch_size: 4 should be odd [{place}, line 5]",
    ]
    assert "Traceback" not in done.stdout + done.stderr


def test_an_empty_collection_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run(tmp_path, config={"collections": {"pile": {"path": "empty"}}})
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1].startswith("firstsight: config: collections.pile.path: ")
    assert "Traceback" not in done.stderr


def test_a_config_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "nothere.yaml"
    done = run(tmp_path, "--configfile", str(path))
    assert done.returncode != 0
    line = f"firstsight: config: no such file: {path} (looked for at {path})"
    assert done.stderr.strip().splitlines()[-1] == line
    assert "Traceback" not in done.stdout + done.stderr


def test_ones_own_collections_replace_the_demo(tmp_path: Path) -> None:
    config = {"collections": {"pile": {"path": one_image(tmp_path)}}, "results": "out"}
    done = run(tmp_path, "--dry-run", config=config)
    assert done.returncode == 0, done.stderr
    assert "out/pile/" in done.stdout
    assert "demo" not in done.stdout
