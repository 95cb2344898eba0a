"""The papers' tables: which results of a run stand beside which figure."""

from dataclasses import dataclass
from pathlib import Path

from firstsight.detectors.registry import find_detector
from firstsight.papers.data_sets import DATA_SETS
from firstsight.papers.experiments import ALWAYS, is_about
from firstsight.papers.presets import DEFAULTS, PRESETS
from firstsight.papers.published import PUBLISHED, Published
from firstsight.papers.trunks import INSTEAD, NAMES
from firstsight.plan.paths import CONTRASTIVE, PLAIN, paths_below
from firstsight.plan.run import Plan


@dataclass(frozen=True)
class Measured:
    """A detector's results on a collection.

    collection, detector: names.
    metrics: Parquet table with the columns detector, metric, value, n_images and crop.
    crop: share of the frame that is cut off before maps are measured.
    """

    collection: str
    detector: str
    metrics: Path
    crop: float


@dataclass(frozen=True)
class PaperRow:
    """A figure of a paper, and what firstsight measured of the same.

    figure: what is published.
    status: ``measured``; ``not run``, though the data set is there; ``missing``, the data set; ``rival``, a method that
        firstsight does not have.
    ours, defaults: results with the paper's preset and with firstsight's own settings, one for each texture of the data
        set that is there.
    costs: of a cost, the JSON that `firstsight.stages.costs.measure_costs` makes.
    differs: what is otherwise than in the paper, or why there are no results.
    """

    figure: Published
    status: str
    ours: tuple[Measured, ...] = ()
    defaults: tuple[Measured, ...] = ()
    costs: Path | None = None
    differs: tuple[str, ...] = ()

    @property
    def files(self) -> list[Path]:
        """All files that the row is read from."""
        return [*(each.metrics for each in (*self.ours, *self.defaults)), *([self.costs] if self.costs else [])]


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
    default = _all_measured(plan, _named(plan, DEFAULTS), ALWAYS)
    files = [*(each.metrics for each in default), *(path for row in rows for path in row.files)]
    return PapersPlan(rows, default, list(dict.fromkeys(files)))


def _row(plan: Plan, figure: Published) -> PaperRow:
    there = [name for name in plan.config.papers if _is_of(plan, name, figure)]
    if figure.data_set is not None and not there:
        return PaperRow(figure, "missing", differs=(DATA_SETS[figure.data_set].where,))
    if figure.preset is None or figure.detector is None:
        return PaperRow(figure, "rival")
    named = _named(plan, figure.preset, there)
    if figure.data_set is None:
        timed = [name for name in named if figure.detector in plan.collections[name].detectors]
        if timed:
            costs = Path(paths_below(plan.results).costs.format(collection=timed[0]))
            return PaperRow(figure, "measured", costs=costs, differs=plan.config.papers[timed[0]].differs)
    kinds = _kinds(figure)
    ours = _all_measured(plan, named, figure.detector, kinds)
    if not ours:
        return PaperRow(figure, "not run", differs=tuple(_why_not_run(plan, figure, named)))
    beside = PRESETS[figure.preset].beside.get(figure.detector)
    # firstsight's own settings of other methods have no contrastive head.
    kinds = kinds if beside == ALWAYS or kinds is None else PLAIN
    default = _all_measured(plan, _named(plan, DEFAULTS, there), beside, kinds) if beside else []
    papers = plan.config.papers
    textures = dict.fromkeys(papers[name].texture for name in named if papers[name].texture)
    mean = [f"the mean over {', '.join(textures)}"] if textures and figure.texture is None else []
    differs = dict.fromkeys([*mean, *(line for name in named for line in papers[name].differs)])
    return PaperRow(figure, "measured", tuple(ours), tuple(default), differs=tuple(differs))


def _is_of(plan: Plan, name: str, figure: Published) -> bool:
    about = plan.config.papers[name]
    return figure.data_set is None or is_about(figure, about.data_set, about.texture)


def _named(plan: Plan, preset: str, names: list[str] | None = None) -> list[str]:
    """Those of the names, or of all collections of the papers, that have a preset."""
    papers = plan.config.papers
    return [name for name in (papers if names is None else names) if papers[name].preset == preset]


def _kinds(figure: Published) -> str | None:
    """The folder of the kinds that a figure is about; None: it is about the maps alone, whatever kinds there are."""
    if not figure.metric.endswith("_oracle"):
        return None
    return CONTRASTIVE if figure.contrastive else PLAIN


def _all_measured(plan: Plan, names: list[str], detector: str, kinds: str | None = None) -> list[Measured]:
    """The results of a detector on those of the collections where it is planned."""
    paths = paths_below(plan.results)
    pattern = paths.metrics if kinds else paths.localization
    return [
        Measured(
            name,
            detector,
            Path(pattern.format(collection=name, detector=collection.detectors[detector].folder, kinds=kinds)),
            # Kinds are always those of the whole frame.
            0.0 if kinds else collection.settings.evaluation.crop,
        )
        for name in names
        for collection in [plan.collections[name]]
        if detector in collection.detectors
    ]


def _why_not_run(plan: Plan, figure: Published, named: list[str]) -> list[str]:
    set_aside = [plan.collections[name].own.set_aside.get(str(figure.detector)) for name in named]
    preset = PRESETS[str(figure.preset)]
    extractor = preset.extractor
    if find_detector(preset.detectors[str(figure.detector)]["method"]).normal and not named:
        return ["normal images to learn from are missing"]
    if not named and extractor is not None and INSTEAD.get(extractor) == ():
        return [f"the weights of {NAMES[extractor]} are missing, and nothing stands in for it"]
    return [line for line in dict.fromkeys(set_aside) if line] or ["not in the config"]
