"""Stage threshold: one for all maps of a collection, by the rule that the settings name."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from firstsight.clustering.decision import Decision
from firstsight.clustering.false_alarms import pixel_threshold
from firstsight.clustering.regions import find_image_regions
from firstsight.clustering.thresholds import otsu_threshold
from firstsight.stages.job import Job
from firstsight.stages.threshold import find_threshold
from firstsight.storage.geometry import Geometry
from firstsight.storage.store import ShardWriter
from firstsight.storage.stored_maps import stored_maps


def write_maps(path: Path, count: int = 5) -> None:
    """Maps with a patch of high scores each, and an image that has none."""
    with ShardWriter(path, dtype="float32") as writer:
        for number in range(count):
            anomaly_map = gaussian_filter(np.random.default_rng(number).gamma(2.0, size=(16, 20)), 1)
            anomaly_map[4:7, 5:8] += 20
            attributes = {
                "image": f"{number}.png",
                "status": "ok",
                "geometry": asdict(Geometry(64, 80, 64, 80, 4, 0.0)),
            }
            writer.add(f"{number}", "t", {"map": anomaly_map}, attributes)
        writer.add("broken", "t", {}, {"image": "broken.png", "status": "cannot be read"})


def test_each_rule_gives_its_threshold_and_says_so(tmp_path: Path, job: Job) -> None:
    write_maps(tmp_path / "maps.zarr")
    maps = [stored for stored in stored_maps([tmp_path / "maps.zarr"]) if stored.status == "ok"]
    cells = np.concatenate([stored.cells().ravel() for stored in maps])

    def found(**settings: Any) -> dict[str, Any]:
        find_threshold(
            shards=[tmp_path / "maps.zarr"], output=tmp_path / "other.json", settings=settings, seed=0, job=job
        )
        return dict(json.loads((tmp_path / "other.json").read_text()))

    pixel = found(method="false_alarm_rate", rate=0.1, unit="pixel")
    assert (pixel["method"], pixel["rate"]) == ("false_alarm_rate", 0.1)
    assert pixel["threshold"] == pixel_threshold(cells, 0.1)
    assert f"{100 * (cells > pixel['threshold']).mean():.2g} % of all pixels, in 5 of 5 images" in pixel["says"]
    image = found(method="false_alarm_rate", rate=0.1, unit="image")
    decision = Decision.from_json(image)
    assert decision.rate == 0.1
    calls = [decision.call(stored.cells()) for stored in maps]
    assert image["threshold"] == pytest.approx(np.median([call.threshold for call in calls]))
    assert all(call.anomalous for call in calls)
    assert "of normal images, about 10 % are asked to have a region; of these 5 images, 5 have" in image["says"]
    assert Decision.from_json(pixel).rate is None
    assert Decision.from_json(pixel).normal == decision.normal
    assert found(method="otsu", scores="collection")["threshold"] == otsu_threshold(cells)
    own = found(method="otsu", scores="image")
    thresholds = [otsu_threshold(stored.cells().ravel()) for stored in maps]
    assert own["threshold"] == pytest.approx(np.median(thresholds))
    assert "each image's own scores" in own["says"]
    calls = [Decision.from_json(own).call(stored.cells()) for stored in maps]
    assert [call.threshold for call in calls] == thresholds
    assert all((call.levelled > call.threshold).sum() >= 9 and call.anomalous is None for call in calls)
    assert found(method="fixed", value=3)["threshold"] == 3
    assert "lie above" in found(**{"method": "deviations"})["says"]


def test_verdicts_choose_the_threshold(tmp_path: Path, job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    write_maps(tmp_path / "maps.zarr", 9)
    maps = {each.image: each for each in stored_maps([tmp_path / "maps.zarr"]) if each.status == "ok"}

    def found(judged: dict[str, list[str]] | None, **settings: Any) -> dict[str, Any]:
        output = tmp_path / "judged.json"
        find_threshold(
            shards=[tmp_path / "maps.zarr"], output=output, settings=settings, seed=0, judged=judged, job=job
        )
        return dict(json.loads(output.read_text()))

    image = {"method": "false_alarm_rate", "rate": 0.05, "unit": "image"}
    p_values = {
        name: Decision.from_json(found(None, **image)).call(each.cells()).p_value for name, each in maps.items()
    }
    ordered = sorted(maps, key=lambda name: p_values[name] or 0.0)
    # All stand out: what was judged normal must not be called any more.
    judged = {"defect": ordered[:4], "normal": ordered[6:]}
    by_rate = found(judged, **image)
    calls = {name: Decision.from_json(by_rate).call(each.cells()).anomalous for name, each in maps.items()}
    assert [calls[name] for name in [*ordered[:4], *ordered[6:]]] == [True] * 4 + [False] * 3
    assert by_rate["rate"] != 0.05
    expected = f"The verdicts set the rate of false alarms to {100 * by_rate['rate']:g} % instead of 5 %: "
    expected += "4 of 4 images judged to have a defect and 0 of 3 judged normal are called anomalous."
    assert by_rate["judged_says"] == expected
    assert capsys.readouterr().err == f"firstsight: {job.collection}, {job.detector}: {expected}\n"

    def has_region(name: str, content: dict[str, Any]) -> bool:
        place = maps[name].geometry
        assert place is not None
        return bool(find_image_regions(maps[name].cells(), place, Decision.from_json(content)).regions)

    highest = {name: float(np.sort(each.cells().ravel())[-6:].mean()) for name, each in maps.items()}
    ordered = sorted(maps, key=highest.__getitem__, reverse=True)
    judged = {"defect": ordered[:3], "normal": ordered[-3:]}
    assert not has_region(ordered[0], found(None, method="fixed", value=1000.0))
    fixed = found(judged, method="fixed", value=1000.0)
    assert [has_region(name, fixed) for name in [*ordered[:3], *ordered[-3:]]] == [True] * 3 + [False] * 3
    assert fixed["says"].startswith("chosen by verdicts; ")
    kept = found(judged, method="fixed", value=fixed["threshold"])
    assert kept["threshold"] == fixed["threshold"]
    assert kept["judged_says"].startswith(
        f"The verdicts leave the threshold at {fixed['threshold']:.4g}, which no other"
    )
    for given, why in (
        ({"defect": ordered[:1], "normal": []}, "no image is judged normal"),
        ({"defect": ["broken.png"], "normal": ordered[:1]}, "no image is judged to have a defect"),
        ({"defect": ["gone.png"], "normal": []}, "none of the images is judged"),
        ({"defect": ordered[-1:], "normal": ordered[:1]}, "no other tells the images judged better apart than chance"),
    ):
        unchanged = found(given, method="fixed", value=3.0)
        assert unchanged["threshold"] == 3
        assert unchanged["judged_says"] == f"The verdicts do not change the threshold: {why}."


def test_without_a_map_there_is_no_threshold(tmp_path: Path, job: Job) -> None:
    write_maps(tmp_path / "maps.zarr", 0)
    find_threshold(
        shards=[tmp_path / "maps.zarr"],
        output=tmp_path / "none.json",
        settings={"method": "deviations"},
        seed=0,
        job=job,
    )
    assert json.loads((tmp_path / "none.json").read_text()) == {
        **dict.fromkeys(("threshold", "normal", "scale", "levels", "rate", "unit", "scores")),
        **{"method": "deviations", "says": "no image has a map", "judged_says": "", "n_images": 0},
    }
    assert job.n_images == 0


def test_the_sample_of_large_collections_hangs_on_the_seed(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firstsight.stages.threshold.SAMPLED_CELLS", 5 * 100)
    write_maps(tmp_path / "maps.zarr")

    def scale(seed: int) -> list[float]:
        find_threshold(
            shards=[tmp_path / "maps.zarr"],
            output=tmp_path / "t.json",
            settings={"method": "deviations"},
            seed=seed,
            job=job,
        )
        return list(json.loads((tmp_path / "t.json").read_text())["scale"])

    assert scale(1) == scale(1)
    assert scale(1)[0] != scale(2)[0], "the median of another sample"
    assert scale(1)[1] == scale(2)[1], "the largest score is that of all cells"
