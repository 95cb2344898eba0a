"""What ``firstsight`` understands on the command line. All that takes time to import waits until it is needed."""

import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from firstsight import __version__
from firstsight.errors import FirstsightError

FIND = "find"
"""What runs where the first word is a folder and no command."""


class FolderFirst(click.Group):
    """A group of commands that may begin with a folder: then its images are searched."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name of the command before a first word that is none."""
        if args and args[0] not in {*self.commands, "--help", "--version"}:
            if not Path(args[0]).exists() and (close := get_close_matches(args[0], self.commands, n=1)):
                raise click.UsageError(f"{args[0]!r} is neither a folder nor a command; did you mean {close[0]}?", ctx)
            args = [FIND, *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a mistake of the user ends it with one line for each."""
        try:
            return super().invoke(ctx)
        except FirstsightError as error:
            for line in str(error).splitlines():
                click.echo(f"firstsight: {line}", err=True)
            sys.exit(1)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show both ways to begin."""
        formatter.write_usage("firstsight", "FOLDER... [OPTIONS]")
        formatter.write_usage("firstsight", "COMMAND ...", prefix="       ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the options that follow a folder, then the commands."""
        self.commands[FIND].format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return add


_path = click.Path(path_type=Path)
_results = click.option(
    "-o",
    "--results",
    type=_path,
    default=Path("results"),
    show_default=True,
    help="Folder for everything that is made.",
)
_config = click.option("--config", type=_path, help="A config of yours, instead of the one in the results.")
_how = _options(
    click.option("--cores", metavar="N", help="Cores to use; all, unless you say so."),
    click.option("--profile", metavar="NAME", help="How jobs run: slurm, or a folder with a profile of Snakemake."),
    click.option("-n", "--dry-run", is_flag=True, help="Only show which jobs would run."),
    click.option("--verbose", is_flag=True, help="Show all that Snakemake says."),
)
_open = click.option("--open", "open_page", is_flag=True, help="Show the page in the browser at the end.")
_on_results = _options(_results, _config, _how)


@click.group(cls=FolderFirst, no_args_is_help=True, context_settings={"max_content_width": 100})
@click.version_option(__version__, prog_name="firstsight")
def main() -> None:
    """What is wrong in a pile of texture images: anomalous regions and their kinds, without references, labels or
    training.

    Searches the images of each FOLDER, which is one texture, and ends with the address of the page that shows what was
    found. A folder whose name is that of a command is written ./NAME.
    """


@main.command(FIND, hidden=True)
@click.argument("folders", nargs=-1, required=True, type=_path, metavar="FOLDER...")
@_results
@click.option("--detector", "detectors", multiple=True, metavar="NAME", help="Which detector runs; may be repeated.")
@click.option("--extractor", metavar="NAME", help="Which network or filter the features come from.")
@click.option("--reference", type=_path, help="Folder of normal images of the same texture.")
@_how
@_open
def find(
    folders: tuple[Path, ...],
    results: Path,
    *,
    detectors: tuple[str, ...],
    extractor: str | None,
    reference: Path | None,
    open_page: bool,
    **how: Any,
) -> None:
    """Search the images of folders."""
    from firstsight.command.configs import config_of_folders, written_config  # noqa: PLC0415

    config = config_of_folders(folders, results, detectors=detectors, extractor=extractor, reference=reference)
    with written_config(config, keep=not how["dry_run"]) as path:
        _run([path], results, **how)
    if not how["dry_run"]:
        _tell(results, open_page)


@main.command()
@click.option("--config", required=True, type=_path, help="The config.")
@_how
@_open
def run(config: Path, open_page: bool, **how: Any) -> None:
    """Run a config of yours."""
    from firstsight.command.configs import results_of  # noqa: PLC0415

    results = results_of(config)
    _run([config], results, **how)
    if not how["dry_run"]:
        _tell(results, open_page)


@main.command()
@_on_results
def names(results: Path, config: Path | None, **how: Any) -> None:
    """Write the file in which you give names to the kinds that were found."""
    results = _run_on_results(results, config, "name_clusters", **how)
    if not how["dry_run"]:
        click.echo(f"{results / 'cluster_names.csv'}: fill in the column name, then run again")


@main.command()
@click.argument("new", nargs=-1, required=True, type=_path, metavar="NEW...")
@click.option("--known", required=True, metavar="COLLECTION", help="What they are compared with: its name on the page.")
@_results
@_config
@_how
@_open
def assign(new: tuple[Path, ...], known: str, results: Path, config: Path | None, open_page: bool, **how: Any) -> None:
    """Compare new images with what is known."""
    from firstsight.command.configs import assigned_to, config_in, written_config  # noqa: PLC0415

    base, results = config_in(results, config)
    with written_config(assigned_to(base, results, new, known), keep=not how["dry_run"]) as path:
        _run([base, path], results, "assign", **how)
    if not how["dry_run"]:
        _tell(results, open_page)


@main.command()
@_on_results
def compare(results: Path, config: Path | None, **how: Any) -> None:
    """Run all detectors on your images, and show them side by side."""
    results = _run_on_results(results, config, "compare", **how)
    if not how["dry_run"]:
        click.echo(f"{results / 'tables/comparison.md'}: every detector on every collection")
        click.echo(f"{results / 'tables/disagreement.md'}: where two of them disagree most")


@main.command()
@_on_results
def export(results: Path, config: Path | None, **how: Any) -> None:
    """Write COCO JSON, masks, TIFF, HDF5 and tasks for Label Studio."""
    results = _run_on_results(results, config, "export", **how)
    if not how["dry_run"]:
        click.echo(f"{results / 'exports'}: a folder for each collection, detector and format")


@main.command()
@_on_results
def share(results: Path, config: Path | None, **how: Any) -> None:
    """Write what was found to hand on: one HTML file with its pictures, and the whole page as an archive."""
    results = _run_on_results(results, config, "share", **how)
    if not how["dry_run"]:
        click.echo(f"{results / 'reports/findings.html'}: what was found, in one file, to send or to print")
        click.echo(f"{results / 'reports/page.zip'}: the whole page; it opens from the folder that it unpacks to")


@main.command()
@click.option("--data", required=True, type=_path, help="Folder in which data sets of the papers lie.")
@click.option(
    "-o",
    "--results",
    type=_path,
    default=Path("results/papers"),
    show_default=True,
    help="Folder for everything that is made.",
)
@click.option("--weights", type=_path, help="Folder of weights of networks, as torchvision has them.")
@_how
def papers(data: Path, results: Path, weights: Path | None, **how: Any) -> None:
    """Measure what the papers measured, and print their tables with both figures."""
    from firstsight.command.configs import written_config  # noqa: PLC0415
    from firstsight.command.papers import config_of_papers  # noqa: PLC0415

    with TemporaryDirectory() as passing:
        sheets = Path(passing) if how["dry_run"] else None
        config = config_of_papers(data, results, weights, sheets=sheets)
        with written_config(config, keep=not how["dry_run"]) as path:
            _run([path], results, "papers", **how)
    if not how["dry_run"]:
        click.echo(f"{results / 'tables/papers.md'}: the papers' figures beside those of this run")


@main.command("config")
@click.argument("folders", nargs=-1, required=True, type=_path, metavar="FOLDER...")
def print_config(folders: tuple[Path, ...]) -> None:
    """Print a config to start from, with a comment at every key."""
    from firstsight.command.configs import commented_config  # noqa: PLC0415

    click.echo(commented_config(folders), nl=False)


@main.command()
@_results
def doctor(results: Path) -> None:
    """Look whether this machine has what firstsight needs."""
    from firstsight.command.doctor import examine  # noqa: PLC0415

    sys.exit(0 if examine(results, click.echo) else 1)


def _run(configs: list[Path], results: Path, target: str = "all", **how: Any) -> None:
    """Run the workflow, and end with its exit code where it fails."""
    from firstsight.command.workflow import run_workflow  # noqa: PLC0415

    code = run_workflow(configs, results, target, **how)
    if code:
        sys.exit(code)


def _run_on_results(results: Path, config: Path | None, target: str, **how: Any) -> Path:
    """Run a further target on a run that is there; the folder of its results."""
    from firstsight.command.configs import config_in  # noqa: PLC0415

    path, results = config_in(results, config)
    _run([path], results, target, **how)
    return results


def _tell(results: Path, open_page: bool) -> None:
    # Importing pandas takes a while, and a run is not to wait for it.
    from firstsight.command.endings import tell_findings  # noqa: PLC0415

    tell_findings(results, open_page=open_page)
