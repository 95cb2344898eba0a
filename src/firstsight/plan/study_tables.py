"""The tables that studies make: the rows and columns of each, and what its page says besides."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from firstsight.plan.collections import CollectionPlan
from firstsight.plan.degraded import LEVELS, VARIANTS, copy_name, plan_degraded
from firstsight.plan.detectors import DetectorPlan
from firstsight.plan.paths import CONTRASTIVE, PLAIN, Paths
from firstsight.plan.run import Plan
from firstsight.plan.study_rows import StudyRow, compared_detectors, study_row
from firstsight.reports import published


@dataclass(frozen=True)
class Study:
    """A table of rows and columns, and a page of the same.

    table: its files are ``tables/<table>.parquet`` and ``.md``.
    title, about: what the page begins with.
    detectors: the group of `CollectionPlan.studies` that it looks at.
    rows: in the order of the table.
    columns: metrics, counts and times, after the names of each row (`firstsight.stages.study`).
    nothing: the error of a study without rows.
    sections: the page has a table for each value of these names.
    side_by_side: a name whose values are the columns of the page's tables, and the metric that these show.
    companions: pictures and texts (PNG, Markdown) of other jobs, for the end of the page; below the results.
    published: figures of papers, for the end of the page.
    """

    table: str
    title: str
    detectors: str
    rows: Callable[[Plan], list[StudyRow]]
    columns: tuple[str, ...]
    about: str = ""
    nothing: str = "there is nothing to compare"
    sections: tuple[str, ...] = ("collection",)
    side_by_side: tuple[str, str] | None = None
    companions: tuple[str, ...] = ()
    published: str = ""


@dataclass(frozen=True)
class StudyPlan:
    """What a study looks at in a run.

    rows: of its table.
    files: all files that these are read from.
    companions: pictures and texts; one with ``{collection}`` in its path for every collection of the rows.
    set_aside: a line for each detector that a collection does not allow.
    """

    rows: list[StudyRow]
    files: list[Path]
    companions: list[Path]
    set_aside: list[str]


def plan_study(plan: Plan, study: Study, collection: str | None = None) -> StudyPlan:
    """Plan a study, or the part of it that is about one collection."""
    rows = [row for row in study.rows(plan) if collection in (None, row.collection)]
    groups = {name: planned.studies[study.detectors] for name, planned in plan.collections.items()}
    names = dict.fromkeys(row.collection for row in rows)
    companions = [pattern.format(collection=name) for pattern in study.companions for name in names]
    return StudyPlan(
        rows=rows,
        files=list(dict.fromkeys(path for row in rows for path in row.files)),
        companions=[plan.results / path for path in dict.fromkeys(companions)],
        set_aside=[f"collections.{name}.{why}" for name, group in groups.items() for why in group.set_aside.values()],
    )


def ablation_rows(plan: Plan) -> list[StudyRow]:
    """Blind localization and clustering, whole and without some parts, each without and with the contrastive head."""
    return [
        study_row(plan.results, collection, detector, kinds, method=detector.name, contrastive=kinds == CONTRASTIVE)
        for collection, detector in _detectors_on_known(plan, "ablation")
        for kinds in (PLAIN, CONTRASTIVE)
    ]


def reference_rows(plan: Plan) -> list[StudyRow]:
    """Methods that learn from normal images, on each collection that has some, without and with SBM and PFAM."""
    return [
        study_row(
            plan.results,
            collection,
            detector,
            PLAIN,
            method=detector.method,
            sbm=detector.settings["sbm"],
            pfam=detector.settings["pfam"],
        )
        for collection, detector in _detectors_on_known(plan, "reference_table")
    ]


def comparison_rows(plan: Plan) -> list[StudyRow]:
    """Every detector on every collection."""
    return [
        study_row(plan.results, collection, detector, detector=detector.name)
        for collection in plan.collections.values()
        for detector in compared_detectors(collection).values()
    ]


def robustness_rows(plan: Plan) -> list[StudyRow]:
    """Every detector on every degraded copy; the copy of level 0 counts for every degradation."""
    copies = plan_degraded(plan)
    return [
        study_row(plan.results, copy, detector, detector=detector.name, degradation=degradation, level=level)
        for collection in dict.fromkeys(copy.known for copy in copies.values())
        for degradation in sorted(dict(VARIANTS))
        for _, detector in sorted(compared_detectors(plan.collections[collection]).items())
        for level in LEVELS
        for copy in [copies[copy_name(collection, degradation, level)]]
    ]


def _detectors_on_known(plan: Plan, study: str) -> Iterator[tuple[CollectionPlan, DetectorPlan]]:
    for collection in plan.collections.values():
        if not collection.is_new:
            yield from ((collection, detector) for detector in collection.studies[study].detectors.values())


_LOCALIZATION = ("pro", "auroc", "average_precision", "f1_max", "image_auroc")
_CLUSTERING = ("nmi", "ari", "matched_f1", "nmi_oracle", "ari_oracle", "matched_f1_oracle")

STUDIES = {
    "ablation": Study(
        table="ablation",
        title="Ablation of blind localization",
        detectors="ablation",
        rows=ablation_rows,
        columns=("pro", "auroc", "average_precision", *_CLUSTERING, "n_clusters", "seconds"),
        published=published.ablation(),
    ),
    "reference_table": Study(
        table="reference_table",
        title="Methods that learn from normal images",
        detectors="reference_table",
        rows=reference_rows,
        columns=("image_auroc", "auroc", "pro", "milliseconds"),
        nothing=("no collection has normal images: add collections.<name>.reference or contaminated: true"),
        published=published.reference_table(),
    ),
    "compare": Study(
        table="comparison",
        title="Detectors side by side",
        detectors="compare",
        rows=comparison_rows,
        columns=(*_LOCALIZATION, "n_images", "seconds_per_image", "feature_seconds_per_image"),
        companions=(Paths.table_page.replace("{table}", "disagreement"), Paths.disagreement_picture),
    ),
    "robustness": Study(
        table="robustness",
        title="Robustness",
        about=(
            "Average precision of pixels, on a sample of each collection. Levels are percent: of the range of grey "
            "values for the deviation of noise, of the pixels for missing ones."
        ),
        detectors="compare",
        rows=robustness_rows,
        columns=(*_LOCALIZATION, "n_images"),
        nothing="robustness is measured on images with masks, and no collection has any",
        sections=("collection", "degradation"),
        side_by_side=("level", "average_precision"),
        companions=(Paths.curves,),
    ),
}
"""The studies, each under the name of its target; a new study is one more entry."""
