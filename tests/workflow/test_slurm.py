"""The workflow on a real Slurm of one node, through the profile that users get."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas
import pytest

from running import QUICK, ROOT, command, read_tables, run
from slurm_node import queue, slurm_node, why_not

pytestmark = pytest.mark.slow

CONFIG = {"collections": {"tiles": {"layout": "demo", "texture": "brick"}}, "images_per_job": 11, **QUICK}
GPU_RULES = {"features", "detect"}
# No accounting is kept here. A job takes about as long as the first look at it waits; each further wait is 10 s longer.
QUICKLY = ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "12"]
SECONDS_TO_SEE_A_JOB = 300
SECONDS_FOR_A_RUN = 1500


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which the commands of a running Slurm work."""
    if reason := why_not():
        pytest.skip(reason)
    with slurm_node(tmp_path_factory.mktemp("slurm") / "state") as environment:
        yield environment


def start(folder: Path, slurm: dict[str, str], *arguments: str, **config: Any) -> "subprocess.Popen[str]":
    line = command(folder, "--profile", str(ROOT / "profiles/slurm"), *QUICKLY, *arguments, config={**CONFIG, **config})
    cores = line.index("--cores")
    del line[cores : cores + 2]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=slurm)


def output_of(process: "subprocess.Popen[str]") -> str:
    """What the run has printed when it ends."""
    try:
        return process.communicate(timeout=SECONDS_FOR_A_RUN)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def cancel_one(rule: str, run: "subprocess.Popen[str]", slurm: dict[str, str]) -> str:
    """Cancel the first job of the rule that is seen running; its number."""
    deadline = time.monotonic() + SECONDS_TO_SEE_A_JOB
    while time.monotonic() < deadline and run.poll() is None:
        for line in queue(slurm, "--states=RUNNING", "--format=%i %k"):
            number, comment = line.split(maxsplit=1)
            if comment.startswith(f"rule_{rule}"):
                subprocess.run(["scancel", number], env=slurm, check=True)
                return number
        time.sleep(0.2)
    return ""


def jobs(slurm: dict[str, str], folder: Path) -> pandas.DataFrame:
    """Rule, state, seconds allowed and what was asked for, of every job of a run that Slurm remembers, by number."""
    shown = subprocess.check_output(["scontrol", "show", "job", "--oneliner"], env=slurm, text=True)
    rows = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in shown.splitlines()]
    for row in rows:
        row["rule"] = re.sub(r"^rule_(.*?)_wildcards_.*$|^rule_", r"\1", row.get("Comment", ""))
    table = pandas.DataFrame(rows).set_index("JobId")
    return table[table["WorkDir"].eq(str(folder))]


@pytest.fixture(scope="module")
def whole(slurm: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a run whose jobs asked for their GPUs by number, and the one of them that was cancelled."""
    folder = tmp_path_factory.mktemp("gpu")
    process = start(folder, slurm, gpu_request="gpu")
    cancelled = cancel_one("features", process, slurm)
    output = output_of(process)
    assert cancelled, output
    assert process.returncode == 0, output
    return folder, cancelled


def test_every_job_goes_through_the_queue_and_some_ask_for_a_gpu(
    whole: tuple[Path, str], slurm: dict[str, str]
) -> None:
    folder, cancelled = whole
    done = jobs(slurm, folder).drop(cancelled)
    assert {"manifest", "features", "detect", "describe", "cluster", "tables", "page"} <= set(done["rule"])
    assert set(done["JobState"]) == {"COMPLETED"}
    assert set(done[done["TresPerJob"].eq("gres:gpu:1")]["rule"]) == GPU_RULES


def test_a_cancelled_job_is_tried_again_with_more(whole: tuple[Path, str], slurm: dict[str, str]) -> None:
    folder, cancelled = whole
    done = jobs(slurm, folder)
    assert done.loc[cancelled, "JobState"] == "CANCELLED"
    features = done[done["rule"].eq("features")].sort_values("MinMemoryNode")
    assert features["MinMemoryNode"].tolist() == ["4000M", "4000M", "8000M"]
    assert features["TimeLimit"].tolist() == ["01:00:00", "01:00:00", "02:00:00"]


def test_the_tables_are_those_of_a_run_on_one_machine(whole: tuple[Path, str], tmp_path: Path) -> None:
    done = run(tmp_path, "tables", config=CONFIG)
    assert done.returncode == 0, done.stderr
    expected, found = read_tables(tmp_path / "results"), read_tables(whole[0] / "results")
    for name in ("images", "regions", "clusters", "metrics"):
        pandas.testing.assert_frame_equal(found[name], expected[name], check_exact=True)


def test_logs_of_all_jobs_are_kept(whole: tuple[Path, str]) -> None:
    kept = list((whole[0] / ".snakemake/slurm_logs").rglob("*.log"))
    assert {path.parent.parent.name.removeprefix("rule_") for path in kept} >= GPU_RULES | {"cluster"}
    assert list((whole[0] / "results/logs").rglob("*.log"))


def test_sites_that_want_a_generic_resource_get_it_and_a_job_killed_for_its_memory_is_tried_again_with_more(
    slurm: dict[str, str], tmp_path: Path
) -> None:
    little = "features:mem_mb=100 * 40 ** (attempt - 1)"
    process = start(tmp_path, slurm, "--until", "features", "--set-resources", little, gpu_request="gres")
    output = output_of(process)
    assert process.returncode == 0, output
    done = jobs(slurm, tmp_path)
    assert set(done[done["TresPerNode"].eq("gres:gpu:1")]["rule"]) == {"features"}
    features = done["rule"].eq("features")
    assert done[features]["MinMemoryNode"].sort_values().tolist() == ["100M", "100M", "4000M", "4000M"]
    killed = done["MinMemoryNode"].eq("100M")
    assert (done[killed]["JobState"] != "COMPLETED").all()
    assert done[~killed]["JobState"].eq("COMPLETED").all()


def test_tasks_of_dask_run_in_jobs_of_their_own(whole: tuple[Path, str], slurm: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "again"
    shutil.copytree(whole[0], folder, symlinks=True)
    config = {**CONFIG, "dask": {"scheduler": "slurm", "workers": 2, "memory_mb": 1000, "minutes": 5}}
    line = command(folder, "results/tables/metrics.parquet", "--forcerun", "threshold", config=config)
    done = subprocess.run(line, capture_output=True, text=True, env=slurm, timeout=SECONDS_FOR_A_RUN, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = jobs(slurm, folder)
    # Threshold and metrics are found by two workers each, which are given back.
    assert asked["JobName"].tolist() == ["dask-worker"] * 4
    assert not queue(slurm, "--states=RUNNING,PENDING")
    for log in ("threshold.log", "evaluate.log"):
        (found,) = (folder / "results/logs").rglob(log)
        assert "dask: workers: " in found.read_text()
    expected, found_tables = read_tables(whole[0] / "results"), read_tables(folder / "results")
    for name in ("images", "regions", "clusters", "metrics"):
        pandas.testing.assert_frame_equal(found_tables[name], expected[name], check_exact=True)
