"""The papers' tables: which results of a run stand beside which figure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from firstsight.papers.data_sets import DATA_SETS
from firstsight.papers.experiments import ALWAYS, is_about
from firstsight.papers.presets import DEFAULTS, PRESETS
from firstsight.papers.published import PUBLISHED, Published
from firstsight.papers.trunks import INSTEAD, NAMES
from firstsight.plan.paths import CONTRASTIVE, PLAIN
from firstsight.plan.run import Plan
from firstsight.plan.study_rows import StudyRow, study_row


@dataclass(frozen=True)
class Measured:
    """A detector's results on a collection, and the share of the frame that is cut off before they are measured."""

    row: StudyRow
    crop: float


@dataclass(frozen=True)
class PaperRow:
    """A figure of a paper, and what firstsight measured of the same.

    figure: what is published.
    status: ``measured``; ``not run``, though the data set is there; ``missing``, the data set; ``rival``, a method that
        firstsight does not have.
    ours, defaults: results with the paper's preset and with firstsight's own settings, one for each texture of the data
        set that is there.
    differs: what is otherwise than in the paper, or why there are no results.
    """

    figure: Published
    status: str
    ours: tuple[Measured, ...] = ()
    defaults: tuple[Measured, ...] = ()
    differs: tuple[str, ...] = ()


@dataclass(frozen=True)
class PapersPlan:
    """What the papers' tables are made of.

    rows: one for every figure.
    default_detector: the results of firstsight's default detector on each texture.
    files: all that is read.
    """

    rows: list[PaperRow]
    default_detector: list[Measured]
    files: list[Path]


def plan_papers(plan: Plan) -> PapersPlan:
    """Find the results that stand beside each figure, in the collections that ``papers`` names."""
    rows = [_row(plan, figure) for figure in PUBLISHED]
    default = list(_without_records(_all_measured(plan, _named(plan, DEFAULTS), ALWAYS)))
    measured = [*default, *(each for row in rows for each in (*row.ours, *row.defaults))]
    return PapersPlan(rows, default, list(dict.fromkeys(path for each in measured for path in each.row.files)))


def _row(plan: Plan, figure: Published) -> PaperRow:
    there = [name for name in plan.config.papers if _is_of(plan, name, figure)]
    if figure.data_set is not None and not there:
        return PaperRow(figure, "missing", differs=(DATA_SETS[figure.data_set].where,))
    if figure.preset is None or figure.detector is None:
        return PaperRow(figure, "rival")
    named = _named(plan, figure.preset, there)
    ours = _all_measured(plan, named, figure.detector, contrastive=figure.contrastive)
    if not ours:
        return PaperRow(figure, "not run", differs=tuple(_why_not_run(plan, figure, named)))
    if figure.data_set is None:
        # Only the time of jobs counts, and only with the preset.
        return PaperRow(figure, "measured", tuple(ours))
    beside = PRESETS[figure.preset].beside.get(figure.detector)
    contrastive = figure.contrastive and beside == ALWAYS
    default = _all_measured(plan, _named(plan, DEFAULTS, there), beside, contrastive=contrastive) if beside else []
    papers = plan.config.papers
    textures = dict.fromkeys(papers[name].texture for name in named if papers[name].texture)
    mean = [f"the mean over {', '.join(textures)}"] if textures and figure.texture is None else []
    differs = dict.fromkeys([*mean, *(line for name in named for line in papers[name].differs)])
    return PaperRow(figure, "measured", tuple(_without_records(ours)), tuple(_without_records(default)), tuple(differs))


def _is_of(plan: Plan, name: str, figure: Published) -> bool:
    about = plan.config.papers[name]
    return figure.data_set is None or is_about(figure, about.data_set, about.texture)


def _named(plan: Plan, preset: str, names: list[str] | None = None) -> list[str]:
    """Those of the names, or of all collections of the papers, that have a preset."""
    papers = plan.config.papers
    return [name for name in (papers if names is None else names) if papers[name].preset == preset]


def _all_measured(plan: Plan, names: list[str], detector: str, *, contrastive: bool = False) -> list[Measured]:
    """The results of a detector on those of the collections where it is planned."""
    kinds = CONTRASTIVE if contrastive else PLAIN
    planned = [plan.collections[name] for name in names if detector in plan.collections[name].detectors]
    return [
        Measured(
            study_row(plan.results, collection, collection.detectors[detector], kinds),
            collection.settings.evaluation.crop,
        )
        for collection in planned
    ]


def _without_records(measured: list[Measured]) -> Iterator[Measured]:
    return (replace(each, row=replace(each.row, records=(), clusters=None)) for each in measured)


def _why_not_run(plan: Plan, figure: Published, named: list[str]) -> list[str]:
    set_aside = [plan.collections[name].own.set_aside.get(str(figure.detector)) for name in named]
    extractor = PRESETS[str(figure.preset)].extractor
    if not named and extractor is not None and INSTEAD.get(extractor) == ():
        return [f"the weights of {NAMES[extractor]} are missing, and nothing stands in for it"]
    return [line for line in dict.fromkeys(set_aside) if line] or ["not in the config"]
