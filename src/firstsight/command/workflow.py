"""Where the workflow lies, and how Snakemake runs it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from firstsight.errors import FirstsightError
from firstsight.plan.installed import PROFILES, SNAKEFILE
from firstsight.stages.run_lock import running_in

STOPPED = 130
"""The exit code of a run that the user stopped."""


def snakemake_command(
    configs: Sequence[Path],
    target: str = "all",
    *,
    cores: str | None = None,
    profile: str | None = None,
    dry_run: bool = False,
    verbose: bool = False,
) -> list[str]:
    """The command line that runs the workflow.

    Args:
        configs: config files; a later one is laid over those before.
        target: the rule whose files are made.
        cores: how many; all for None, unless a profile says how jobs run.
        profile: the name of one of the workflow's own profiles, or a folder.
        dry_run: whether jobs are only listed.
        verbose: whether all is shown that Snakemake says.
    """
    line = [sys.executable, "-m", "snakemake", target, "--snakefile", str(SNAKEFILE)]
    # Named, since Snakemake would take a folder `default` of the user's for it.
    line += ["--workflow-profile", str(PROFILES / "default")]
    if profile:
        line += ["--profile", str(PROFILES / profile) if (PROFILES / profile).is_dir() else profile]
    if cores or not profile:
        line += ["--cores", cores or "all"]
    if dry_run:
        line.append("--dry-run")
    if verbose:
        line.append("--verbose")
    return [*line, "--configfile", *map(str, configs)]


def run_workflow(
    configs: Sequence[Path],
    results: Path,
    target: str = "all",
    *,
    cores: str | None,
    profile: str | None,
    dry_run: bool,
    verbose: bool = False,
) -> int:
    """Run the workflow to its end.

    Args:
        configs, target, cores, profile, dry_run, verbose: as for `snakemake_command`.
        results: where another run may be going on.

    Returns:
        The exit code: of Snakemake, or `STOPPED`.

    Raises:
        FirstsightError: another run writes the same results, or the folder where Snakemake keeps its notes cannot be
            written to.
    """
    _require_place_for_notes()
    other = None if dry_run else running_in(results)
    if other:
        raise FirstsightError(
            f"another run is writing into {results} ({other}): wait for it, stop it, or name another folder by -o"
        )
    line = snakemake_command(configs, target, cores=cores, profile=profile, dry_run=dry_run, verbose=verbose)
    # In a group of its own, so that an interrupt from the keyboard comes here alone.
    with _ended_like_interrupts(), subprocess.Popen(line, process_group=0) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            _stop(process, on_cluster=profile is not None)
            click.echo("\nfirstsight: stopped; the same command goes on where it was", err=True)
            return STOPPED


@contextmanager
def _ended_like_interrupts() -> Iterator[None]:
    """Take a request to end, or the end of the terminal, for an interrupt: else the run would go on by itself."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    # One that is ignored, as by nohup, stays so.
    taken = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _stop(process: subprocess.Popen[bytes], *, on_cluster: bool) -> None:
    """Stop a run with all its jobs, whose results are whole at any moment."""
    if on_cluster:
        click.echo("\nfirstsight: the jobs on the cluster are called off; once more stops at once", err=True)
        try:
            process.send_signal(signal.SIGINT)
            process.wait()
        except KeyboardInterrupt:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _require_place_for_notes() -> None:
    notes = Path(".snakemake")
    if not os.access(notes if notes.exists() else Path.cwd(), os.W_OK | os.X_OK):
        raise FirstsightError(
            f"{Path.cwd()} cannot be written to, and Snakemake keeps notes there: change to another folder"
        )
