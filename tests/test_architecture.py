"""The rooms of the house: lower ones never import higher ones, the package never imports Snakemake."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src/firstsight"
ROOMS = ["collections", "features", "detectors", "clustering", "evaluation", "reports", "stages"]
ALLOWED_BELOW = {"kernels": [], "blind": ["features", "detectors", "kernels"]}


def imported_modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_flow_one_way(path: Path) -> None:
    modules = imported_modules(path)
    assert not {module for module in modules if module.split(".")[0] == "snakemake"}
    room = path.relative_to(PACKAGE).parts[0]
    rooms = {module.split(".")[1] for module in modules if module.startswith("firstsight.")} & set(ROOMS)
    if room in ROOMS:
        higher = ROOMS[ROOMS.index(room) + 1 :]
        assert not rooms & set(higher), f"{room} must not know {rooms & set(higher)}"
    elif room in ALLOWED_BELOW:
        assert rooms <= set(ALLOWED_BELOW[room])
