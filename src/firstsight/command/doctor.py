"""Whether a machine has what firstsight needs: a line for each thing, and what to do where something is wrong."""

import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from firstsight import __version__
from firstsight.errors import ConfigError, FirstsightError
from firstsight.features.downloads import download_folder
from firstsight.features.registry import EXTRACTORS
from firstsight.features.weights import resolve_weights
from firstsight.plan.installed import SNAKEFILE
from firstsight.plan.run import require_writable
from firstsight.plan.settings import FeatureSettings

LEAST_MEMORY_GB = 3.0
"""A 6000 x 4000 image takes as much with the default network."""


class State(StrEnum):
    """How it stands with one thing."""

    OK = "ok"
    ABSENT = "--"
    """Not there, which is no fault."""
    WRONG = "!!"


class Line(NamedTuple):
    """What is said of one thing."""

    state: State
    about: str
    text: str


def examine(results: Path, say: Callable[[str], object]) -> bool:
    """Say a line for each thing that a run needs or can use; whether nothing is wrong.

    Args:
        results: where results would go.
        say: takes a line.
    """
    fine = True
    for line in _lines(results):
        say(f"{line.state} {line.about}: {line.text}")
        fine &= line.state is not State.WRONG
    return fine


def _lines(results: Path) -> Iterator[Line]:
    yield _versions()
    yield _workflow()
    yield Line(State.OK, "cores", f"{len(os.sched_getaffinity(0))} of {platform.machine()}")
    yield _memory()
    yield _gpu()
    yield _weights()
    yield _results(results)
    yield _slurm()
    yield _chromium()


def _versions() -> Line:
    packages = {}
    for package in ("snakemake", "torch", "numba", "numpy", "pandas", "zarr"):
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            return Line(
                State.WRONG, "versions", f"{package} is not installed: pip install --force-reinstall firstsight"
            )
    said = ", ".join(f"{name} {number}" for name, number in packages.items())
    return Line(State.OK, "versions", f"firstsight {__version__}, Python {platform.python_version()}, {said}")


def _workflow() -> Line:
    if not SNAKEFILE.is_file():
        return Line(State.WRONG, "workflow", f"{SNAKEFILE} is missing: pip install --force-reinstall firstsight")
    return Line(State.OK, "workflow", str(SNAKEFILE))


def _memory() -> Line:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    try:
        found = re.search(r"^MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        found = None
    free = int(found[1]) / 1e6 if found else total
    text = f"{free:.1f} GB free of {total:.1f} GB"
    if free < LEAST_MEMORY_GB:
        return Line(State.WRONG, "memory", f"{text}: close other programs, or run one job at a time by --cores 1")
    return Line(State.OK, "memory", text)


def _gpu() -> Line:
    # Importing torch takes seconds.
    import torch  # noqa: PLC0415

    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if names:
        return Line(State.OK, "GPU", ", ".join(names))
    if shutil.which("nvidia-smi"):
        text = "PyTorch does not see the one that seems to be here: install a build of it for CUDA, or mend the driver"
        return Line(State.WRONG, "GPU", text)
    return Line(State.ABSENT, "GPU", "none; all is computed on the CPU")


def _weights() -> Line:
    there: list[str] = []
    elsewhere: list[str] = []
    for name in EXTRACTORS:
        try:
            download = resolve_weights(name).download
        except FirstsightError as error:
            if name == FeatureSettings().extractor:
                return Line(State.WRONG, "weights", str(error))
            download = name
        (there if download is None or (download_folder() / download).is_file() else elsewhere).append(name)
    text = f"at hand for {', '.join(there)}"
    return Line(
        State.OK, "weights", f"{text}; downloaded when asked for: {', '.join(elsewhere)}" if elsewhere else text
    )


def _results(results: Path) -> Line:
    try:
        require_writable(results)
    except ConfigError as error:
        return Line(State.WRONG, "results", f"{error.mistakes[0].text}: name another folder by -o")
    place = results.absolute()
    while not place.exists():
        place = place.parent
    return Line(
        State.OK,
        "results",
        f"{results.absolute()} can be written to, {shutil.disk_usage(place).free / 1e9:.0f} GB free",
    )


def _slurm() -> Line:
    if not shutil.which("sbatch"):
        return Line(State.ABSENT, "Slurm", "not here; only --profile slurm needs it")
    if find_spec("snakemake_executor_plugin_slurm") is None:
        return Line(State.WRONG, "Slurm", "its plugin is missing: pip install 'firstsight[slurm]'")
    return Line(State.OK, "Slurm", "sbatch and its plugin are here; start with --profile slurm")


def _chromium() -> Line:
    if shutil.which("chromium") and shutil.which("chromedriver"):
        return Line(State.OK, "Chromium", "here")
    return Line(
        State.ABSENT, "Chromium", "not here; only tests of the page need it (apt install chromium chromium-driver)"
    )
