"""Which collections a run of the papers has: what there is, with each preset that has a figure of it."""

from pathlib import Path

import pytest

from firstsight.features.downloads import why_no_answer
from firstsight.papers.data_sets import find_data_sets
from firstsight.papers.experiments import Experiment, experiments
from firstsight.papers.presets import PRESETS
from paper_samples import draw, hku_dot, mask, mvtec


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    why_no_answer.cache_clear()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    # Nobody listens there.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")


COSTS = ["costs_320", "costs_1024", "costs_224"]


def planned(folder: Path, weights: Path | None = None) -> dict[str, Experiment]:
    return {each.name: each for each in experiments(find_data_sets(folder), weights)}


def test_a_data_set_runs_with_each_preset_and_with_the_defaults(tmp_path: Path) -> None:
    hku_dot(tmp_path)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/vgg19.pth").touch()
    found = planned(tmp_path, tmp_path / "weights")
    names = ["hku_fabric_dot__grnr", "hku_fabric_dot__ssdnet_fabric", "hku_fabric_dot__defaults"]
    assert list(found) == names + COSTS
    grnr = found["hku_fabric_dot__grnr"]
    assert grnr.collection["features"] == {"extractor": "efficientnet_lite0", "image_size": 320, "border": "paper"}
    assert grnr.collection["evaluation"] == {"crop": 0.1}
    assert grnr.collection["detectors"]["grnr"]["layers"] == ["stage2", "stage3"]
    assert "EfficientNet-Lite0 for Wide-ResNet50-2, whose weights are missing" in grnr.paper["differs"]
    assert "2 of 30 images" in grnr.paper["differs"]
    fabric = found["hku_fabric_dot__ssdnet_fabric"].collection
    assert fabric["detectors"]["ssdnet"]["weights"] == str(tmp_path / "weights/vgg19.pth")
    assert "layers" not in fabric["detectors"]["glcm"]
    defaults = found["hku_fabric_dot__defaults"].collection
    assert set(defaults["detectors"]) == {"blind", "grnr", "ssdnet", "pg_lsr", "glcm", "spectral_residual"}
    assert set(defaults) == {"detectors"}


def test_normal_images_let_those_methods_run_that_learn_from_them(tmp_path: Path) -> None:
    mvtec(tmp_path / "with/tile", "good", "crack", train=True)
    mvtec(tmp_path / "without/tile", "good", "crack")
    found = planned(tmp_path / "with")
    assert set(found["mvtec_ad_textures_tile__normal_images"].collection["detectors"]) >= {"padim", "cfa_pfam"}
    assert "patchcore" in found["mvtec_ad_textures_tile__defaults"].collection["detectors"]
    assert "mvtec_ad_textures_tile__normal_images" not in planned(tmp_path / "without")
    assert "mvtec_ad_textures_tile__fca_vgg19" not in found, "nothing stands in for its network"
    assert "mvtec_ad_textures_tile__fca_steerable" in found
    assert "mvtec_ad_textures_tile__ssdnet_grid" not in found, "a figure of another texture"


def test_a_kind_that_has_settings_of_its_own_is_a_collection_of_its_own(tmp_path: Path) -> None:
    mvtec(tmp_path / "hku_dot", "Hole", "Knots", count=2)
    (tmp_path / "vgg19.pth").touch()
    found = planned(tmp_path, tmp_path)
    rest, knots = found["hku_fabric_dot__ssdnet_fabric"], found["hku_fabric_dot_knots__ssdnet_fabric"]
    assert [[row.label for row in each.found.rows] for each in (rest, knots)] == [["Hole"] * 2, ["Knots"] * 2]
    assert all(row.mask is not None and row.mask.is_file() for row in rest.found.rows)
    assert knots.collection["detectors"]["ssdnet"] == rest.collection["detectors"]["ssdnet"] | {"alpha_perc": 1.0}
    assert knots.collection["detectors"]["glcm"] == rest.collection["detectors"]["glcm"]
    assert rest.paper == knots.paper
    assert any("not blind" in line for line in knots.paper["differs"])
    assert found["hku_fabric_dot__grnr"].found.layout == "mvtec"


def test_costs_are_measured_on_some_images_of_the_first_texture(tmp_path: Path) -> None:
    for name in ("texture_1", "texture_2"):
        mvtec(tmp_path / name, "good", "defective", count=2)
    found = planned(tmp_path)
    assert set(found["woven_fabric_textures_texture_1__fca_320"].collection["detectors"]) == {"fca", "fca_knn", "aota"}
    for name, size in zip(COSTS, (320, 1024, 224), strict=True):
        costs = found[name]
        assert set(costs.collection["detectors"]) == set(PRESETS[name].detectors)
        assert costs.collection["features"]["image_size"] == size
        assert len(costs.found.rows) == 3
        assert all(row.image.is_relative_to(tmp_path / "texture_1") for row in costs.found.rows)
        assert costs.paper["preset"] == name


def test_costs_of_a_set_with_a_sheet_are_those_of_its_rows(tmp_path: Path) -> None:
    draw(tmp_path / "MTD/MT_Crack/Imgs/exp2.jpg")
    mask(tmp_path / "MTD/MT_Crack/Imgs/exp2.png")
    (row,) = planned(tmp_path)["costs_320"].found.rows
    assert row.image == tmp_path / "MTD/MT_Crack/Imgs/exp2.jpg"
