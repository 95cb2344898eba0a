"""The detectors that studies compare on a collection."""

from pathlib import Path
from typing import Any

from firstsight.detectors.registry import DETECTORS
from planning import contaminated, layers_of, plan, with_normal

NO_PERCEPTION = {"w_rec": 1.0, "w_perc": 0.0, "alpha_perc": 0.0}


def test_studies_have_features_and_folders_of_their_own(folder: Path) -> None:
    network = {"extractor": "resnet18", "weights": str(folder / "weights.pth")}
    (folder / "weights.pth").write_bytes(b"0")
    planned = plan(folder, features=network, detectors={"fca": {}})
    assert layers_of(planned) == ("layer1", "layer2")
    study = planned.studies["ablation"].detectors
    assert planned.layers_of(study["blind"].features) == ("layer1", "layer2")
    assert study["blind"] == plan(folder, features=network, detectors={"blind": {}}).detectors["blind"]
    folders = [detector.folder for detector in (*planned.detectors.values(), *study.values())]
    assert len(set(folders)) == len(folders)
    assert planned.detector_in(study["only_fca"].folder) == study["only_fca"]


def test_studies_change_the_settings_of_the_config(folder: Path) -> None:
    configured = {
        "blind": {"epochs": 2, "neighbours": True},
        "cfa": {"epochs": 3},
        "other": {"method": "padim", "sigma": 1},
    }
    studies = plan(folder, detectors={"fca": {}, **configured}, collections=contaminated(folder)).studies
    only_fca = studies["ablation"].detectors["only_fca"].settings
    assert (only_fca["epochs"], only_fca["neighbours"]) == (2, False)
    table = studies["reference_table"].detectors
    assert (table["cfa_pfam"].settings["epochs"], table["cfa_pfam"].settings["pfam"]) == (3, True)
    assert table["padim"].settings["sigma"] == 4


def test_the_comparison_has_every_detector_with_the_settings_of_the_config(folder: Path) -> None:
    planned = plan(folder, detectors={"fca": {"patch_size": 5}, "small": {"method": "fca", "patch_size": 3}})
    compared = planned.studies["compare"].detectors
    assert set(compared) == {*DETECTORS, "small"} - set(planned.studies["compare"].set_aside)
    assert (compared["fca"].settings["patch_size"], compared["small"].settings["patch_size"]) == (5, 3)
    assert compared["moments"].settings == DETECTORS["moments"].settings().model_dump()


def test_the_reference_table_compares_what_a_collection_allows(good: Path) -> None:
    no_network = {"features": {"extractor": "laws"}}
    methods = ["padim", "patchcore", "cfa"]
    plain = [f"{method}{more}" for method in methods for more in ("", "_pfam")]

    def names(**entry: Any) -> list[str]:
        return list(with_normal(good, {"fca": {}}, **entry).studies["reference_table"].detectors)

    assert names() == []
    assert names(contaminated=True, **no_network) == names(reference=str(good / "good"), **no_network) == plain
    every = [f"{method}{more}" for method in methods for more in ("", "_pfam", "_sbm", "_sbm_pfam")]
    assert names(contaminated=True) == every
