"""The config of the papers' tables, and what its mistakes say."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from firstsight.collections.readers import list_images
from firstsight.command.main import main
from firstsight.command.papers import config_of_papers
from firstsight.features.downloads import why_no_answer
from firstsight.plan.installed import DEFAULT_CONFIG
from firstsight.plan.loading import load_settings
from paper_samples import draw, hku_dot, mask


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    why_no_answer.cache_clear()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    # Nobody listens there.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")


def test_the_config_holds_wherever_it_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hku_dot(tmp_path / "data")
    draw(tmp_path / "data/MTD/MT_Crack/Imgs/exp2.jpg")
    mask(tmp_path / "data/MTD/MT_Crack/Imgs/exp2.png")
    monkeypatch.chdir(tmp_path)
    path, config = config_of_papers(Path("data"), Path("out"), None)
    assert path == tmp_path / "out/firstsight.yaml"
    assert list(config["papers"]) == list(config["collections"])
    assert config["collections"]["costs_224"]["contaminated"]
    sheet = tmp_path / "out/sheets/magnetic_tile__blind.csv"
    assert config["collections"]["magnetic_tile__blind"]["path"] == str(sheet)
    (image,) = list_images(sheet)
    assert (image.path, image.label) == (tmp_path / "data/MTD/MT_Crack/Imgs/exp2.jpg", "crack")
    assert image.masks == (tmp_path / "data/MTD/MT_Crack/Imgs/exp2.png",)
    settings = load_settings(DEFAULT_CONFIG, yaml.safe_load(yaml.safe_dump(config)))
    assert settings.papers["magnetic_tile__blind"].preset == "blind"


def test_a_config_that_only_plans_writes_its_sheets_elsewhere(tmp_path: Path) -> None:
    draw(tmp_path / "data/MTD/MT_Crack/Imgs/exp2.jpg")
    mask(tmp_path / "data/MTD/MT_Crack/Imgs/exp2.png")
    passing = tmp_path / "passing"
    _, config = config_of_papers(tmp_path / "data", tmp_path / "out", None, sheets=passing)
    assert {Path(entry["path"]).parent for entry in config["collections"].values()} == {passing}
    assert not (tmp_path / "out").exists()
    _, real = config_of_papers(tmp_path / "data", tmp_path / "out", None)
    # What is there already is the same collection, and its results need no new jobs.
    (passing / "magnetic_tile__blind.csv").unlink()
    assert config_of_papers(tmp_path / "data", tmp_path / "out", None, sheets=passing).content == real
    draw(tmp_path / "data/MTD/MT_Crack/Imgs/exp3.jpg")
    mask(tmp_path / "data/MTD/MT_Crack/Imgs/exp3.png")
    config_of_papers(tmp_path / "data", tmp_path / "out", None, sheets=passing)
    assert len(list_images(passing / "magnetic_tile__blind.csv")) == 2
    assert len(list_images(tmp_path / "out/sheets/magnetic_tile__blind.csv")) == 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("--data nowhere", "--data: no such folder: HERE/nowhere"),
        ("--data data --weights nowhere", "--weights: no such folder: HERE/nowhere"),
        ("--data empty", "--data: nothing in HERE/empty is recognised as a data set of papers: "),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, line: str) -> None:
    hku_dot(tmp_path / "data")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["papers", *arguments.split()])
    assert done.stderr.startswith(f"firstsight: {line.replace('HERE', str(tmp_path))}")
    assert (done.stderr.count("\n"), done.stdout, done.exit_code) == (1, "", 1)
    assert not (tmp_path / "results").exists()
