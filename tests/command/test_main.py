"""The command line: a mistake is one line that says what to do, and leaves nothing behind."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from PIL import Image

from firstsight import __version__
from firstsight.command.main import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to start in, with one image in ``pile``."""
    (tmp_path / "pile").mkdir()
    Image.effect_noise((64, 64), 30).save(tmp_path / "pile/a.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_help_shows_the_options_of_a_folder_and_all_commands() -> None:
    said = call("--help").output
    assert "firstsight FOLDER... [OPTIONS]" in said
    for word in (
        "--detector",
        "--reference",
        "--open",
        "-n, --dry-run",
        "assign",
        "compare",
        "doctor",
        "export",
        "papers",
        "share",
    ):
        assert word in said
    assert "  find" not in said
    assert call().output == said
    assert __version__ in call("--version").output


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("nowhere", "no such file or folder: nowhere"),
        ("pile/a.png", "pile/a.png is a single image: give the folder that it lies in"),
        ("a.zip", "a.zip is an archive: unpack it, and give the folder"),
        ("pile -o a.zip/results", "a.zip/results cannot be written to (Not a directory): name another folder by -o"),
        ("pile --detector fac", "config: detectors.fac: unknown detector 'fac'; did you mean fca?"),
        ("pile --extractor law", "config: features.extractor: 'law' is no extractor; did you mean laws?"),
        ("pile --detector padim", "padim learns from normal images: name a folder of them by --reference"),
        ("pile pile --reference pile", "--reference holds normal images of one texture: give one folder with it"),
        ("pile --reference a.zip", "not a folder: a.zip"),
        ("run --config none.yaml", "config: no such file: none.yaml (looked for at HERE/none.yaml)"),
        ("run --config tab.yaml", "config: tab.yaml, line 2: a tab; YAML wants spaces in its place"),
        ("run --config list.yaml", "config: list.yaml holds no keys: see `firstsight config FOLDER`"),
        ("names", "results has no firstsight.yaml: run `firstsight FOLDER` first, or say -o RESULTS or --config FILE"),
        (
            "assign pile --known tiles --config mine.yaml",
            "--known: no collection is called 'tiles' in mine.yaml; there are pile",
        ),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_made(here: Path, arguments: str, line: str) -> None:
    (here / "a.zip").touch()
    (here / "tab.yaml").write_text("collections:\n\tpile: pile\n")
    (here / "list.yaml").write_text("[pile]\n")
    (here / "mine.yaml").write_text("collections: {pile: pile}\n")
    before = set(here.rglob("*"))
    done = call(*arguments.split())
    assert done.stderr == f"firstsight: {line.replace('HERE', str(here))}\n"
    assert (done.stdout, done.exit_code) == ("", 1)
    assert set(here.rglob("*")) == before


def test_a_misspelt_command_is_told_from_a_folder(here: Path) -> None:
    done = call("comparee")
    assert "'comparee' is neither a folder nor a command; did you mean compare?" in done.stderr
    assert done.exit_code == 2


def test_a_config_to_start_from_is_printed(here: Path) -> None:
    done = call("config", "pile")
    assert done.exit_code == 0
    assert "# Which features are computed" in done.stdout
    assert yaml.safe_load(done.stdout)["collections"] == {"pile": {"path": str(here / "pile")}}
