"""Folders become a config that holds wherever it is started, and results lead back to it."""

from pathlib import Path

import pytest
import yaml
from PIL import Image

from firstsight.command.configs import (
    ConfigFile,
    assigned_to,
    collection_name,
    commented_config,
    config_in,
    config_of_folders,
    results_of,
    written_config,
)
from firstsight.errors import FirstsightError
from firstsight.plan.installed import DEFAULT_CONFIG
from firstsight.plan.loading import load_settings


def pile(folder: Path) -> Path:
    folder.mkdir(parents=True)
    Image.effect_noise((64, 64), 30).save(folder / "a.png")
    return folder


def test_folders_become_collections_with_paths_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pile(tmp_path / "tiles"), pile(tmp_path / "b/tiles")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path, config = config_of_folders([Path("../tiles"), Path("../b/tiles")], Path("out"))
    assert path == Path("out/firstsight.yaml")
    assert config == {
        "results": str(tmp_path / "here/out"),
        "collections": {"tiles": {"path": str(tmp_path / "tiles")}, "tiles_2": {"path": str(tmp_path / "b/tiles")}},
        "names": str(tmp_path / "here/out/cluster_names.csv"),
    }
    assert load_settings(DEFAULT_CONFIG, config).results == tmp_path / "here/out"


def test_detectors_extractor_and_normal_images_are_taken_over(tmp_path: Path) -> None:
    tiles, good = pile(tmp_path / "tiles"), pile(tmp_path / "good")
    config = config_of_folders([tiles], tmp_path, detectors=["fca", "glcm"], extractor="laws").content
    assert config["detectors"] == {"fca": {}, "glcm": {}}
    assert config["features"] == {"extractor": "laws"}
    config = config_of_folders([tiles], tmp_path, reference=good).content
    assert config["collections"]["tiles"]["reference"] == str(good)
    assert set(config["detectors"]) == {"padim", "blind"}


@pytest.mark.parametrize(
    ("folder", "name"),
    [("tiles", "tiles"), ("my tiles (1)", "my_tiles_1"), ("_x", "x"), ("瓦", "images"), ("tables", "tables_2")],
)
def test_a_collection_is_called_as_its_folder(tmp_path: Path, folder: str, name: str) -> None:
    (tmp_path / folder).mkdir()
    assert collection_name(tmp_path / folder) == name
    assert collection_name(tmp_path / folder, [name]) != name


def test_a_sheet_gives_its_name_without_the_ending(tmp_path: Path) -> None:
    (tmp_path / "tiles.csv").touch()
    assert collection_name(tmp_path / "tiles.csv") == "tiles"


def test_new_images_stay_known_and_are_asked_for_once(tmp_path: Path) -> None:
    base = tmp_path / "mine.yaml"
    base.write_text("collections: {tiles: /data/tiles}\n")
    monday, tuesday = pile(tmp_path / "tiles"), pile(tmp_path / "tuesday")
    for new in ([monday], [tuesday], [monday]):
        with written_config(assigned_to(base, tmp_path, new, "tiles"), keep=True) as path:
            written = yaml.safe_load(path.read_text())["collections"]
    # The folder has the name of the known collection, so its own is another.
    assert {name: entry["path"] for name, entry in written.items()} == {
        "tuesday": str(tuesday),
        "tiles_2": str(monday),
    }
    assert {entry["assign_to"] for entry in written.values()} == {"tiles"}


def test_a_config_that_is_not_kept_leaves_nothing(tmp_path: Path) -> None:
    config = ConfigFile(tmp_path / "out/firstsight.yaml", {"results": "out"})
    with written_config(config, keep=False) as path:
        assert yaml.safe_load(path.read_text()) == {"results": "out"}
    assert not path.exists()
    assert not (tmp_path / "out").exists()


def test_results_are_those_of_the_config(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("results: /data/out\n")
    assert results_of(mine) == Path("/data/out")
    mine.write_text("threshold: {method: otsu}\n")
    assert results_of(mine) == Path("results")
    assert config_in(tmp_path, mine) == (mine, Path("results"))
    with pytest.raises(FirstsightError, match=r"has no firstsight\.yaml"):
        config_in(tmp_path, None)
    (tmp_path / "firstsight.yaml").write_text("results: out\n")
    assert config_in(tmp_path, None) == (tmp_path / "firstsight.yaml", tmp_path)


def test_a_commented_config_says_no_more_than_the_defaults(tmp_path: Path) -> None:
    tiles = pile(tmp_path / "tiles")
    content = yaml.safe_load(commented_config([tiles]))
    given = load_settings(DEFAULT_CONFIG, content)
    assert given == load_settings(DEFAULT_CONFIG, {"collections": {"tiles": str(tiles)}})
