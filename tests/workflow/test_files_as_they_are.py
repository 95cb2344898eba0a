"""One run over what lies in folders as they are: nothing is read wrongly, nothing is dropped in silence."""

import os
import re
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from running import QUICK, read_tables, run


def texture(seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).integers(60, 200, (64, 64)).astype(np.uint8)
    values[20:40, 24:44] = 250 if seed == 3 else values[20:40, 24:44]
    return values


@pytest.mark.slow
def test_files_as_they_are(tmp_path: Path) -> None:
    for seed in range(4):
        Image.fromarray(texture(seed)).save(tmp_path / f"{seed}.bmp")
        os.utime(tmp_path / f"{seed}.bmp", (1_700_000_000, 1_700_000_000))
    Image.fromarray(texture(2)).save(tmp_path / "copy.bmp")
    (tmp_path / "deep.png").write_bytes(imagecodecs.png_encode(texture(5).astype(np.uint16) * np.uint16(16)))
    tifffile.imwrite(tmp_path / "roll.tif", np.stack([texture(6), texture(7)]), photometric="minisblack")
    (tmp_path / "@eaDir/0.bmp").mkdir(parents=True)
    Image.fromarray(texture(0)).save(tmp_path / "@eaDir/0.bmp/SYNOFILE_THUMB_M.png")
    (tmp_path / "film.mp4").touch()
    config = {"collections": {"tiles": {"path": "."}}, **QUICK}
    done = run(tmp_path, config=config)
    assert done.returncode == 0, done.stderr
    assert "firstsight: collections.tiles: 1 .mp4 file cannot be read: films: save their frames as PNG" in done.stderr

    tables = read_tables(tmp_path / "results")
    images = tables["images"].set_index("image")
    rolls = ["roll.tif/00000", "roll.tif/00001"]
    assert images.index.tolist() == ["0.bmp", "1.bmp", "2.bmp", "3.bmp", "copy.bmp", "deep.png", *rolls]
    assert set(images["status"]) == {"ok"}
    assert images["duplicate_of"].dropna().to_dict() == {"copy.bmp": "2.bmp"}
    assert images["value_high"].dropna().to_dict() == {"deep.png": 4095.0}
    assert tables["unread"][["suffix", "n_files", "example"]].values.tolist() == [[".mp4", 1, "film.mp4"]]
    page = (tmp_path / "results/reports/index.html").read_text()
    assert "1 .mp4 file cannot be read" in page
    assert "No file was set aside" not in page
    assert "1 image is an exact copy of another (copy.bmp of 2.bmp)" in page

    again = run(tmp_path, "--dry-run", config=config)
    assert "Nothing to be done" in again.stdout, "the run's own results are no images"
    (tmp_path / "0.bmp").rename(tmp_path / "x")
    (tmp_path / "3.bmp").rename(tmp_path / "0.bmp")
    (tmp_path / "x").rename(tmp_path / "3.bmp")
    again = run(tmp_path, "--until", "features", config=config)
    assert again.returncode == 0, again.stderr
    assert re.search(r"^manifest: ", again.stderr, re.MULTILINE), "files that swapped their names"
