"""firstsight beside its peers on folders of images with masks: prints Markdown tables. README.md says how to run it."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

NAMES = {
    "blind_default": "firstsight `blind`, default network",
    "fca_default": "firstsight `fca`, default network",
    "blind": "firstsight `blind`",
    "fca": "firstsight `fca`",
    "patchcore": "anomalib PatchCore",
    "mh_patchcore": "anomalib MH-PatchCore",
    "padim": "anomalib PaDiM",
    "ecod": "PyOD ECOD on cells",
    "knn": "PyOD KNN on images",
}
METRICS = {"pro": "PRO", "auroc": "AUROC", "average_precision": "AP", "image_auroc": "AUROC of images"}
PARTS = {
    "all": "All images, learned from without labels",
    "rest": "Images that no method was given as good",
}
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
QUIET = {"TQDM_DISABLE": "1"}
# Each of PatchCore's 1,000 steps makes temporary values that leave glibc's heap in pieces: with 30 images it grows to
# 23 GB, of which one is in use. What is larger than a megabyte is given back at once instead.
ALLOCATION = {"patchcore": {"MALLOC_MMAP_THRESHOLD_": str(2**20)}}
OURS = ("blind_default", "fca_default", "blind", "fca")


def main() -> None:
    """Measure what the file of results does not hold yet, then print the tables of all that it holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="*", help="images with masks, in MVTec's layout or another")
    parser.add_argument("--weights", type=Path, help="state dict of ResNet18 under torchvision's names")
    parser.add_argument("--methods", nargs="+", choices=NAMES, default=list(NAMES), metavar="METHOD")
    parser.add_argument("--results", type=Path, default=Path("peers.jsonl"), help="a line for each measurement")
    options = parser.parse_args()
    for folder in options.folders:
        if not folder.is_dir():
            parser.error(f"there is no folder {folder}")
    if options.folders and not (options.weights and options.weights.is_file()):
        parser.error("--weights must name the file with the weights of ResNet18")
    measured = read(options.results)
    done = {(row["set"], row["method"], row["learns_from"]) for row in measured}
    asked = (
        (folder, method, learns_from)
        for folder, method, learns_from in product(options.folders, options.methods, ("pile", "good"))
        if learns_from == "pile" or (method not in OURS and _has_good(folder))
    )
    for folder, method, learns_from in asked:
        if (folder.name, method, learns_from) not in done:
            measured.append(measure(folder, method, learns_from, options.weights))
            with options.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(measured[-1]) + "\n")
    print("\n\n".join(f"{title}:\n\n{table(part, measured)}" for part, title in PARTS.items()))


def read(results: Path) -> list[dict[str, Any]]:
    """The measurements in a file, none if it is not there."""
    return [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()] if results.is_file() else []


def measure(folder: Path, method: str, learns_from: str, weights: Path) -> dict[str, Any]:
    """Run `rate.py` on one thread."""
    script = Path(__file__).with_name("rate.py")
    line = [sys.executable, "-W", "ignore", str(script), str(folder), method, learns_from, str(weights)]
    environment = {**os.environ, **ONE_THREAD, **QUIET, **ALLOCATION.get(method, {})}
    done = subprocess.run(line, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def table(part: str, measured: Iterable[dict[str, Any]]) -> str:
    """Markdown of what was measured on all images, or on those that are left when some good ones are given."""
    rows = sorted(
        (row for row in measured if part in row and any(value is not None for value in row[part].values())),
        key=lambda row: (row["set"], list(NAMES).index(row["method"]), row["learns_from"] == "good"),
    )
    columns = ["set", "method", "learned from", *METRICS.values(), "seconds", "memory, MB"]
    lines = [columns, ["---"] * len(columns)]
    for row in rows:
        given = f"{row['learned']} {'good' if row['learns_from'] == 'good' else 'images'}"
        shown = [_percent(row[part][metric]) for metric in METRICS]
        costs = [f"{row['seconds']:.2f}", f"{row['memory_mb']:,.0f}"]
        lines.append([row["set"], NAMES[row["method"]], given, *shown, *costs])
    return "\n".join(_line(cells) for cells in lines)


def _has_good(folder: Path) -> bool:
    return any(path.is_dir() for path in folder.rglob("good"))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


if __name__ == "__main__":
    main()
