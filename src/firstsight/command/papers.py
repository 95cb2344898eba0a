"""The config of ``firstsight papers``: the papers' data sets in a folder, with presets and with the defaults."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from firstsight.command.configs import ConfigFile
from firstsight.errors import FirstsightError
from firstsight.papers.data_sets import SheetRow, find_data_sets
from firstsight.papers.experiments import experiments
from firstsight.plan.installed import DEFAULT_CONFIG
from firstsight.plan.loading import load_settings
from firstsight.plan.paths import paths_below
from firstsight.storage.replacing import replace_file

IMAGES_PER_JOB = 128
"""So many images keep a job busy for minutes, and there are collections enough to run beside one another."""


def config_of_papers(data: Path, results: Path, weights: Path | None, *, sheets: Path | None = None) -> ConfigFile:
    """The config that runs the papers' methods on their data sets, as far as these are there.

    The sample sheets that some data sets need are written below the results, unless they are there already.

    Args:
        data: folder in which data sets lie, at any place within `firstsight.papers.data_sets.DEPTH` folders.
        results: where everything goes.
        weights: folder of weights (`firstsight.papers.trunks.find_trunk`).
        sheets: folder for the sample sheets instead, so that nothing is written below the results.

    Raises:
        FirstsightError: a folder that is not there or without a data set, or results that cannot be written to.
    """
    results = Path(os.path.abspath(results.expanduser()))
    found = find_data_sets(Path(os.path.abspath(data.expanduser())))
    collections: dict[str, Any] = {}
    papers: dict[str, Any] = {}
    for experiment in experiments(found, None if weights is None else Path(os.path.abspath(weights.expanduser()))):
        texture = experiment.found
        path = texture.path
        if texture.layout == "sheet":
            path = Path(paths_below(results).sheet.format(collection=experiment.name))
            text = _sheet(texture.rows)
            if not (path.is_file() and path.read_text(encoding="utf-8") == text):
                path = path if sheets is None else sheets / path.name
                _write_sheet(path, text)
        collections[experiment.name] = {"path": str(path), "layout": texture.layout, **experiment.collection}
        papers[experiment.name] = experiment.paper
    config = {
        "results": str(results),
        "images_per_job": IMAGES_PER_JOB,
        "collections": collections,
        "papers": papers,
    }
    load_settings(DEFAULT_CONFIG, config)
    return ConfigFile(Path(paths_below(results).config), config)


def _sheet(rows: Sequence[SheetRow]) -> str:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(SheetRow._fields)
    lines.writerows((row.image, row.mask or "", row.label) for row in rows)
    return text.getvalue()


def _write_sheet(path: Path, text: str) -> None:
    try:
        replace_file(path, lambda beside: beside.write_text(text, encoding="utf-8"))
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise FirstsightError(f"{path.parent} cannot be written to ({why}): name another folder by -o") from None
