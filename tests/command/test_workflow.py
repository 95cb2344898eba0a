"""How Snakemake is called."""

import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.cli import parse_args

from firstsight.command.workflow import run_workflow, snakemake_command
from firstsight.errors import FirstsightError
from firstsight.plan.installed import DEFAULT_CONFIG, PROFILES, SNAKEFILE


def test_the_workflow_is_where_it_is_looked_for() -> None:
    assert SNAKEFILE.is_file()
    assert DEFAULT_CONFIG.is_file()
    assert (PROFILES / "default/config.yaml").is_file()


def test_snakemake_understands_the_line() -> None:
    python, m, snakemake, *line = snakemake_command(
        [Path("a.yaml"), Path("b.yaml")], "assign", dry_run=True, verbose=True
    )
    assert (python, m, snakemake) == (sys.executable, "-m", "snakemake")
    _, parsed = parse_args(line)
    assert list(parsed.targets) == ["assign"]
    assert parsed.configfile == [Path("a.yaml"), Path("b.yaml")]
    assert Path(parsed.snakefile) == SNAKEFILE
    assert parsed.rerun_incomplete, "the workflow's own profile is read"
    assert parsed.cores == "all" or parsed.cores > 0
    assert parsed.verbose
    assert "--dry-run" in line


def test_a_profile_of_the_workflow_says_itself_how_many_jobs_run() -> None:
    line = snakemake_command([Path("a.yaml")], profile="slurm")
    assert line[line.index("--profile") + 1] == str(PROFILES / "slurm")
    assert "--cores" not in line
    line = snakemake_command([Path("a.yaml")], profile="/mine", cores="3")
    assert line[line.index("--profile") + 1] == "/mine"
    assert line[line.index("--cores") + 1] == "3"


def test_a_second_run_into_the_same_results_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hold = "import pathlib, time; from firstsight.stages.run_lock import RunLock; lock = RunLock(pathlib.Path('out'))"
    line = f"{hold}; lock.begin(); print('has it', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", line], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "has it\n"
        try:
            with pytest.raises(FirstsightError, match=f"another run is writing into out .process {other.pid} on .*-o"):
                run_workflow([Path("mine.yaml")], Path("out"), cores=None, profile=None, dry_run=False)
        finally:
            other.kill()
