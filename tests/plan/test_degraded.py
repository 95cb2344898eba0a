"""Plans of degraded copies."""

from pathlib import Path

import numpy as np
from PIL import Image

from firstsight.plan.degraded import IMAGES, VARIANTS, originals, plan_degraded
from firstsight.plan.loading import load_settings
from firstsight.plan.run import plan_run

ROOT = Path(__file__).resolve().parents[2]


def test_a_sample_of_the_images_with_masks_is_copied(tmp_path: Path) -> None:
    for name in ("set/test/good", "set/test/crack", "set/ground_truth/crack", "plain"):
        (tmp_path / name).mkdir(parents=True)
    for number in range(IMAGES + 4):
        values = np.random.default_rng(number).integers(0, 255, (20, 20)).astype(np.uint8)
        for name in (f"test/good/{number}.png", f"test/crack/{number}.png", f"ground_truth/crack/{number}_mask.png"):
            Image.fromarray(values).save(tmp_path / "set" / name)
    Image.fromarray(values).save(tmp_path / "plain/0.png")
    overrides = {
        "results": str(tmp_path / "results"),
        "collections": {
            "set": {"path": str(tmp_path / "set"), "images_per_job": 4},
            "plain": {"path": str(tmp_path / "plain")},
            "later": {"path": str(tmp_path / "set"), "assign_to": "set"},
        },
    }
    plan = plan_run(load_settings(ROOT / "config.yaml", overrides))
    copies = plan_degraded(plan)
    assert list(copies) == [f"set/robustness/{degradation}-{level}" for degradation, level in VARIANTS]
    images = {tuple(copy.files) for copy in copies.values()}
    assert len(images) == 1, "all copies are of the same images"
    copy = copies["set/robustness/missing-10"]
    assert len(copy.files) == IMAGES
    assert all(image.startswith("test/crack/") for image in copy.files)
    assert len(copy.shards) == 3
    assert (copy.known, copy.is_new) == ("set", True)
    assert copy.own == plan.collections["set"].studies["compare"]
    file = next(iter(copy.files.values()))
    assert file.path == tmp_path / "results/set/robustness/missing-10/images" / f"{file.image}.tif"
    assert file.masks
    rows = originals(plan.collections["set"], copy)
    expected = {"image": file.image, "path": str(tmp_path / "set" / file.image), "missing": None, "ignored": None}
    assert rows[0] == expected
    assert {row["stamp"] for row in copy.shard_files(next(iter(copy.shards)))} == {None}
