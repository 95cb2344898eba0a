"""The rooms of the house: lower ones never import higher ones, no two import each other, none imports Snakemake."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src/firstsight"
FLOORS = [
    "errors",
    "wording",
    "settings_model",
    "storage",
    "collections",
    "kernels",
    "features",
    "detectors",
    "clustering",
    "evaluation",
    "reports",
    "plan",
    "stages",
    "results",
    "finding",
    "command",
]
"""From the cellar to the top. A module at the root is a floor of its own."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    """Every module of the package or outside that a file imports, wherever in the file it does."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def floor_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_room_has_a_floor() -> None:
    assert {floor_of(path) for path in MODULES} == {*FLOORS, "__init__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_flow_one_way(path: Path) -> None:
    modules = imported_modules(path)
    assert not {module for module in modules if module.startswith("snakemake")}
    floors = {module.split(".")[1] for module in modules if module.startswith("firstsight.")} & set(FLOORS)
    # The package itself hands out what is called from Python.
    allowed = FLOORS[: FLOORS.index(floor_of(path)) + 1] if floor_of(path) in FLOORS else ["results", "finding"]
    assert floors <= set(allowed), f"{floor_of(path)} must not know {floors - set(allowed)}"


def test_no_two_files_import_each_other() -> None:
    names = {".".join(["firstsight", *path.relative_to(PACKAGE).with_suffix("").parts]): path for path in MODULES}
    arrows = {name: imported_modules(path) & set(names) for name, path in names.items()}
    while arrows:
        free = {name for name, others in arrows.items() if not others & set(arrows)}
        assert free, f"these import each other in a circle: {sorted(arrows)}"
        arrows = {name: others for name, others in arrows.items() if name not in free}


@pytest.mark.parametrize(
    "stage", ["cluster", "compare", "describe", "evaluate", "overlays", "study", "tables", "threshold"]
)
def test_stages_that_learn_nothing_start_without_torch(stage: str) -> None:
    line = f"import sys, firstsight.stages.{stage}; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True).stdout.split()
    assert "torch" not in modules


def test_the_package_and_its_command_start_without_what_takes_long() -> None:
    line = "import sys, firstsight.command.main, firstsight; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "pandas", "pydantic", "yaml"} & set(modules)


def test_planning_needs_no_torch() -> None:
    names = ("run", "loading", "config_files", "study_tables", "provenance", "files")
    line = f"import sys, {', '.join(f'firstsight.plan.{name}' for name in names)}; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numba", "pandas", "zarr"} & set(modules)
