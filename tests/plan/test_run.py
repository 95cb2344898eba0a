"""Mistakes that only the plan of a run can see."""

from pathlib import Path
from typing import Any

import pytest

from firstsight.errors import FirstsightError
from firstsight.plan.loading import load_settings
from firstsight.plan.run import Plan, plan_run
from planning import ROOT, plan, with_normal


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"verdicts": "absent.csv"}, "verdicts: absent.csv cannot be read (No such file or directory)"),
        ({"verdicts": {"use": "threshold"}}, "verdicts.use: needs verdicts.file, the file of verdicts"),
        ({"verdicts": {"file": "a.csv", "use": "all"}}, "verdicts.use: 'all' is not one of threshold"),
        ({"detectors": {"fac": {}}}, "detectors.fac: unknown detector 'fac'; did you mean fca?"),
        ({"detectors": {"x": {"method": "nothing"}}}, "detectors.x.method: unknown detector 'nothing'"),
        ({"detectors": {"fca": {"patchsize": 3}}}, "detectors.fca.patchsize: unknown key; did you mean patch_size?"),
        (
            {"detectors": {"fca": {"layers": ["layer2"]}}},
            "collections.pile.detectors.fca.layers: efficientnet_lite0 has no layer 'layer2'",
        ),
        (
            {"features": {"extractor": "resnet"}},
            "features.extractor: 'resnet' is no extractor; did you mean resnet18?",
        ),
        (
            {"features": {"weights": "IMAGENET1K_V1"}},
            "collections.pile.features.weights: unknown weights 'IMAGENET1K_V1' of efficientnet_lite0: leave",
        ),
        (
            {"features": {"extractor": "laws", "weights": "IMAGENET1K_V1"}},
            "collections.pile.features.weights: extractor laws has no weights",
        ),
        (
            {"features": {"extractor": "resnet18", "weights": "gone.pth"}},
            "collections.pile.features.weights: the weights of resnet18 are not",
        ),
        (
            {"collections": {"pile": {"path": "no/where"}}},
            f"collections.pile.path: no such file or folder: no/where (looked for at {Path.cwd() / 'no/where'})",
        ),
    ],
)
def test_a_mistake_is_one_line(folder: Path, config: Any, message: str) -> None:
    with pytest.raises(FirstsightError) as caught:
        plan(folder, **config)
    assert str(caught.value).startswith(f"config: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "pile.detectors.padim: padim learns from normal images: add collections.pile.reference"),
        ({"reference": "nowhere"}, "pile.reference: no such file or folder: nowhere"),
        ({"reference": "EMPTY"}, "pile.reference: no images in "),
        ({"reference": "good", "contaminated": True}, "pile.reference: normal images, and contaminated: true, exclude"),
        ({"reference": "PILE"}, "pile.reference: every image of the collection is a reference image"),
    ],
)
def test_a_mistake_about_normal_images_is_one_line(good: Path, entry: Any, message: str) -> None:
    (good / "empty").mkdir()
    places = {"EMPTY": str(good / "empty"), "PILE": str(good / "pile")}
    with pytest.raises(FirstsightError) as caught:
        with_normal(good, **{key: places.get(value, value) for key, value in entry.items()})
    assert str(caught.value).startswith(f"config: collections.{message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"normal_label": True}, "pile.normal_label"),
        (
            {"mask": {"pattern": "*_mask.png"}},
            "pile.mask.pattern: '*_mask.png' has no {stem}, which stands for the name of the image",
        ),
        ({"mask": {"pattern": "x/{stem}.png"}}, "pile.path: mask.pattern x/{stem}.png fits no file in "),
        ({"mask": {"positive": []}}, "pile.mask.positive"),
    ],
)
def test_a_mistake_about_labels_and_masks_is_one_line(folder: Path, entry: Any, message: str) -> None:
    with pytest.raises(FirstsightError) as caught:
        plan(folder, collections={"pile": {"path": str(folder / "pile"), **entry}})
    assert str(caught.value).startswith(f"config: collections.{message}")
    assert "\n" not in str(caught.value)


def test_what_is_odd_is_said_with_the_name_of_the_collection(folder: Path) -> None:
    (folder / "pile/ground_truth").mkdir()
    (folder / "pile/ground_truth/9.png").touch()
    overrides = {"results": str(folder / "results"), "collections": {"pile": {"path": str(folder / "pile")}}}
    planned = plan_run(load_settings(ROOT / "config.yaml", overrides))
    assert planned.remarks == ["collections.pile: 1 mask fits no image: ground_truth/9.png"]


def test_verdicts_choose_thresholds_where_they_are_asked_to(folder: Path) -> None:
    said = folder / "verdicts.csv"
    lines = ["pile,fca,a.png,1,2,3,4,defect,", "pile,fca,b.png,,,,,normal,", "pile,fca,c.png,1,2,3,4,normal,"]
    said.write_text("\n".join(["collection,detector,image,x,y,width,height,verdict,name", *lines]))

    def planned(detector: str, verdicts: Any) -> Plan:
        overrides = {"results": str(folder / "results"), "collections": {"pile": {"path": str(folder / "pile")}}}
        detectors = {detector: {"method": "fca"}}
        return plan_run(
            load_settings(ROOT / "config.yaml", {**overrides, "detectors": detectors, "verdicts": verdicts})
        )

    use = {"file": str(said), "use": "threshold"}
    chosen = planned("fca", use)
    assert chosen.judged("pile", "fca") == {"defect": ["a.png"], "normal": ["b.png"]}
    assert chosen.judged("pile", "blind") is None
    assert chosen.remarks == []
    assert [line.partition(",")[0] for line in planned("other", use).remarks] == [
        "verdicts.use: no image of the run is judged to have a defect"
    ]
    assert planned("fca", str(said)).judged("pile", "fca") is None
