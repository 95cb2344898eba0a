"""Which results stand beside which figure, and why others do not."""

from pathlib import Path
from typing import Any

from firstsight.papers.published import PUBLISHED
from firstsight.plan.loading import load_settings
from firstsight.plan.papers import PaperRow, PapersPlan, plan_papers
from firstsight.plan.paths import CONTRASTIVE, PLAIN
from firstsight.plan.run import plan_run

ROOT = Path(__file__).resolve().parents[2]


def planned(folder: Path, papers: dict[str, Any], **collections: Any) -> PapersPlan:
    path = {"path": str(folder / "pile"), "features": {"extractor": "laws"}}
    config = {
        "results": str(folder / "results"),
        "collections": {name: {**path, **entry} for name, entry in collections.items()},
        "papers": papers,
    }
    return plan_papers(plan_run(load_settings(ROOT / "config.yaml", config)))


def row(plan: PapersPlan, *about: str | None) -> PaperRow:
    """The row of a paper, a table, a data set, a method and a metric."""

    def of(row: PaperRow) -> tuple[str | None, ...]:
        figure = row.figure
        return figure.paper, figure.table, figure.data_set, figure.method, figure.metric

    return next(each for each in plan.rows if of(each) == about)


def test_a_figure_has_results_of_every_texture_with_its_preset_and_with_the_defaults(folder: Path) -> None:
    entry = {"data_set": "hku_fabric", "preset": "grnr"}
    plan = planned(
        folder,
        {
            "dot": {**entry, "texture": "dot", "differs": ["another network"]},
            "box": {**entry, "texture": "box", "differs": ["another network", "a part"]},
            "dot_as_it_comes": {"data_set": "hku_fabric", "texture": "dot"},
        },
        dot={"detectors": {"grnr": {}}, "evaluation": {"crop": 0.1}},
        box={"detectors": {"grnr": {}}},
        dot_as_it_comes={"detectors": {"grnr": {}, "blind": {}}},
        other={"detectors": {"grnr": {}}},
    )
    assert [each.figure for each in plan.rows] == list(PUBLISHED)
    grnr = row(plan, "grnr", "Table II", "hku_fabric", "GRNR", "auroc")
    assert grnr.status == "measured"
    assert [(each.collection, each.detector, each.crop) for each in grnr.ours] == [
        ("dot", "grnr", 0.1),
        ("box", "grnr", 0.0),
    ]
    assert {each.metrics.name for each in grnr.ours} == {"localization.parquet"}, "no kinds are looked for"
    assert [each.collection for each in grnr.defaults] == ["dot_as_it_comes"]
    assert grnr.differs == ("the mean over dot, box", "another network", "a part")
    assert [each.collection for each in plan.default_detector] == ["dot_as_it_comes"]
    assert row(plan, "grnr", "Table II", "hku_fabric", "April-GAN", "auroc").status == "rival"
    assert not any("other" in str(path) for path in plan.files)
    cost = row(plan, "grnr", "Table V", None, "GRNR", "seconds")
    assert (cost.status, cost.files) == ("not run", [])


def test_costs_are_those_of_the_collection_that_is_timed(folder: Path) -> None:
    plan = planned(
        folder,
        {name: {"data_set": "hku_fabric", "texture": "dot", "preset": name} for name in ("costs_320", "grnr")},
        costs_320={"detectors": {"grnr": {}, "fca": {}}},
        grnr={"detectors": {"grnr": {}}},
    )
    cost = row(plan, "grnr", "Table V", None, "GRNR", "seconds")
    assert cost.status == "measured"
    assert cost.files == [folder / "results/costs_320/costs.json"]
    assert cost.files[0] in plan.files
    assert row(plan, "fca", "Table 5", None, "Moments", "seconds").status == "not run"
    grnr = row(plan, "grnr", "Table II", "hku_fabric", "GRNR", "auroc")
    assert [each.collection for each in grnr.ours] == ["grnr"]


def test_kinds_of_the_contrastive_head_are_looked_for_where_a_figure_is_about_them(folder: Path) -> None:
    about = {"data_set": "magnetic_tile", "preset": "blind"}
    plan = planned(folder, {"tiles": about}, tiles={"detectors": {"blind": {}}, "evaluation": {"crop": 0.1}})
    (plain,) = row(plan, "blind", "Table 1", "magnetic_tile", "FCA + VAE", "nmi_oracle").ours
    (full,) = row(plan, "blind", "Table 1", "magnetic_tile", "full", "nmi_oracle").ours
    assert full.metrics.parent.name == CONTRASTIVE
    assert plain.metrics.parent.name == PLAIN
    assert full.crop == plain.crop == 0, "kinds are of the whole frame"
    maps = [row(plan, "blind", "Table 1", "magnetic_tile", method, "pro").ours for method in ("full", "FCA + VAE")]
    assert maps[0] == maps[1]
    only_fca = row(plan, "blind", "Table 1", "magnetic_tile", "only FCA", "pro")
    assert (only_fca.status, only_fca.ours) == ("not run", ())


def test_what_was_not_run_says_why(folder: Path) -> None:
    plan = planned(
        folder,
        {
            "dot": {"data_set": "hku_fabric", "texture": "dot", "preset": "ssdnet_fabric"},
            "tile": {"data_set": "mvtec_ad_textures", "texture": "tile", "preset": "grnr"},
        },
        dot={"detectors": {"glcm": {}, "ssdnet": {"weights": "absent.pth"}}},
        tile={"detectors": {"grnr": {}}},
    )
    ssdnet = row(plan, "ssdnet", "Table 1", "hku_fabric", "SSDnet", "auroc_by_image")
    assert ssdnet.status == "not run"
    assert "the weights of vgg19 are not there" in ssdnet.differs[0]
    assert row(plan, "ssdnet", "Table 1", "hku_fabric", "GLCM", "auroc_by_image").status == "measured"
    column = row(plan, "fca", "Table 1", "mvtec_ad_textures", "FCA, vgg19", "pro")
    assert (column.status, column.differs) == (
        "not run",
        ("the weights of VGG19 are missing, and nothing stands in for it",),
    )
    assert row(plan, "fca", "Table 1", "mvtec_ad_textures", "FCA, steerable", "pro").differs == ("not in the config",)
    assert row(plan, "ssdnet", "Table 1", "hku_fabric", "PG-LSR", "auroc_by_image").differs == ("not in the config",)
    patchcore = row(plan, "fca", "Table 3", "mvtec_ad_textures", "PatchCore", "auroc")
    assert (patchcore.status, patchcore.differs) == ("not run", ("normal images to learn from are missing",))
    missing = row(plan, "fca", "Table 4", "aitex", "FCA, 320 pixels", "pro")
    assert (missing.status, missing.differs) == ("missing", ("https://www.aitex.es/afid",))
    grid = row(plan, "ssdnet", "Table 1", "mvtec_ad_textures", "SSDnet", "auroc_by_image")
    assert grid.status == "missing", "another texture of the set is there"
