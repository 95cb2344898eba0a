"""The papers' tables, from a folder of data to a page."""

from pathlib import Path

import pandas

from firstsight.command.papers import config_of_papers
from paper_samples import hku_dot
from running import run


def test_data_sets_in_a_folder_become_the_papers_tables(tmp_path: Path) -> None:
    hku_dot(tmp_path / "data", count=2)
    config = config_of_papers(tmp_path / "data", tmp_path / "results", None).content
    # The quickest method, and features as quick: what was found is described by some.
    name = "hku_fabric_dot__ssdnet_fabric"
    collection = config["collections"][name]
    glcm = {"glcm": collection["detectors"]["glcm"]}
    chosen = {**collection, "features": {"extractor": "laws"}, "detectors": glcm}
    costs = {**config["collections"]["costs_320"], "features": {"extractor": "laws", "image_size": 48}}
    collections = {name: chosen, "costs_320": {**costs, "detectors": {"moments": {}}}}
    papers = {each: config["papers"][each] for each in collections}
    done = run(tmp_path, "papers", config={**config, "collections": collections, "papers": papers})
    assert done.returncode == 0, done.stderr
    table = pandas.read_parquet(tmp_path / "results/tables/papers.parquet")
    fabric = table[table["data_set"].eq("hku_fabric") & table["metric"].eq("auroc_by_image")].set_index("method")
    assert fabric["status"].to_dict() == {
        "PG-LSR": "not run",
        "GLCM": "measured",
        "WinCLIP": "rival",
        "Spectral residual": "not run",
        "SSDnet": "not run",
    }
    assert fabric["ours"].between(0.5, 1).tolist() == [False, True, False, False, False]
    assert fabric["published"].tolist() == [0.96, 0.65, 0.80, 0.75, 0.98]
    (cost,) = table[table["metric"].eq("seconds") & table["status"].eq("measured")].to_dict("records")
    assert (cost["table"], cost["method"], cost["size"], cost["device"]) == ("Table 5", "Moments", 320, "cpu")
    assert 0 < cost["ours"] < 10
    assert cost["times_trunk"] == cost["ours"] / cost["trunk_seconds"]
    assert "4 of 30 images" in str(fabric["differs"]["GLCM"])
    page = (tmp_path / "results/tables/papers.md").read_text(encoding="utf-8")
    assert "Zero-Shot Anomaly Localization Without Training Data" in page
    assert "| MVTec AD, objects | sbm_pfam, Table 1 | https://www.mvtec.com/" in page
