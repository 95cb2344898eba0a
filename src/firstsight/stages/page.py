"""Stage page: the tables and the pictures of a run on one page."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas

from firstsight import __version__
from firstsight.clustering.decision import Decision
from firstsight.clustering.judged import verdicts_say
from firstsight.clustering.verdicts import Verdict, read_verdicts
from firstsight.reports.findings_file import write_findings
from firstsight.reports.image_notes import image_notes
from firstsight.reports.last_run import keep_run, read_last_runs, run_before, summary_of
from firstsight.reports.originals import addresses_of_originals, look_alike_in_browsers
from firstsight.reports.overlays import draw_colour_bar, replace_image
from firstsight.reports.page import write_page
from firstsight.reports.page_report import ClusterReport, CollectionReport, DetectorReport, Page
from firstsight.reports.prepared_page import prepare_page
from firstsight.stages.job import Job
from firstsight.stages.remarks import remarks_on
from firstsight.storage.json import read_json
from firstsight.storage.tables import read_table

COLOUR_BAR_HEIGHT = 160


def make_page(
    *,
    tables: Mapping[str, Path],
    collections: Sequence[Mapping[str, Any]],
    output: Path,
    findings: Path,
    last_run: Path,
    job: Job,
    verdicts: Path | None = None,
    groups: str = "",
) -> None:
    """Write the page of a run with its data, and beside each detector's maps the legend of its colours.

    Args:
        tables: the tables images, regions, clusters and metrics.
        collections: for each collection its name, path, extractor, weights, the record of the job that found its
            ``scale``, that of a job that read its masks (``truth``), ``remarks`` on its files, detectors, a line for
            each detector that was set aside, and one for each suffix of files that are ``unread``; for each detector
            its name, its settings as text, the JSON of its ``threshold``, ``clusters`` and ``charts``, the folder of
            ``overlays``, the picture ``colour_bar`` to make; and ``model``, the JSON that says what it learned, for
            one that learns
            (`firstsight.plan.files.collections_of_page`).
        verdicts: CSV of `firstsight.clustering.verdicts`, from which marks on the page begin.
        groups: the folder of the page of groups of collections, where there are any.
        output: the HTML file, its data in the folder ``data`` beside it; all pictures are linked relative to it.
        findings: the HTML file, beside it, that holds what was found with its pictures.
        last_run: file of `firstsight.reports.last_run`, from which the page tells what has changed; written anew when
            all else is there.
    """
    said = tuple(read_verdicts(verdicts)) if verdicts else ()
    read = {name: read_table(path) for name, path in tables.items()}
    with job.step("legend"):
        for collection in collections:
            for detector in collection["detectors"]:
                _draw_legend(read_json(Path(detector["threshold"])), Path(detector["colour_bar"]))
    with job.step("page"):
        reports = tuple(_collection(collection, read, output.parent, said) for collection in collections)
        for report in reports:
            for line in report.remarks:
                job.note(f"{report.name}: {line}")
        link = f"{_relative(groups, output.parent)}/index.html" if groups else ""
        page = Page(title="firstsight", version=__version__, collections=reports, verdicts=said, groups=link)
        run = summary_of(page)
        before = run_before(run, read_last_runs(last_run))
        prepared = prepare_page(page, before)
        write_page(output, prepared)
    with job.step("findings"):
        write_findings(findings, prepared)
    keep_run(last_run, run, before)
    job.n_images = len(read["images"])


def _collection(
    collection: Mapping[str, Any], tables: Mapping[str, pandas.DataFrame], root: Path, verdicts: Sequence[Verdict]
) -> CollectionReport:
    own = {name: table[table["collection"].eq(collection["name"])] for name, table in tables.items()}
    images = own["images"]
    aside = images[images["status"].ne("ok")]
    said = [verdict for verdict in verdicts if verdict.collection == collection["name"]]
    detectors = [_detector(detector, own, root, said) for detector in collection["detectors"]]
    kept = tuple(detector for detector in detectors if detector is not None)
    has_map = images[[f"{detector.name}_score" for detector in kept]].notna().any(axis=1)
    return CollectionReport(
        name=collection["name"],
        path=collection["path"],
        n_images=len(images),
        extractor=collection["extractor"],
        weights=collection["weights"],
        scale=read_json(Path(collection["scale"]))["says"],
        detectors=kept,
        images=_images(images[has_map], root),
        originals=f"{addresses_of_originals([collection['path']], root)[0]}/",
        set_aside=tuple(zip(aside["image"], aside["status"], strict=True)),
        no_textures=_no_textures(images),
        detectors_set_aside=tuple(collection["set_aside"]),
        unread=tuple(collection["unread"]),
        masks=read_json(Path(collection["truth"]))["says"].removeprefix("masks: "),
        remarks=(*collection["remarks"], *_remarks(images), *remarks_on(images)),
    )


def _images(images: pandas.DataFrame, root: Path) -> pandas.DataFrame:
    """What `CollectionReport.images` says of each image."""
    return images[["image", "shard", "label", "width", "height"]].assign(
        notes=image_notes(images),
        original=pandas.Series(addresses_of_originals(list(images["path"]), root), index=images.index, dtype=object),
        native=look_alike_in_browsers(images),
    )


def _remarks(images: pandas.DataFrame) -> tuple[str, ...]:
    """What is odd about labels and masks of images, with the number of images of which it is."""
    counts = images["truth_remark"].value_counts()
    return tuple(f"{count:,} image{'' if count == 1 else 's'}: {remark}" for remark, count in counts.items())


def _no_textures(images: pandas.DataFrame) -> tuple[tuple[str, float], ...]:
    odd = images[images["is_texture"].eq(False).fillna(value=False)].sort_values("texture_score", ascending=False)
    return tuple(zip(odd["image"].astype(str), odd["texture_score"].astype(float), strict=True))


def _detector(
    detector: Mapping[str, Any], tables: Mapping[str, pandas.DataFrame], root: Path, verdicts: Sequence[Verdict]
) -> DetectorReport | None:
    name = detector["name"]
    threshold = read_json(Path(detector["threshold"]))
    if threshold["threshold"] is None:
        return None
    decision = Decision.from_json(threshold)
    own = {table: tables[table][tables[table]["detector"].eq(name)] for table in ("regions", "clusters", "metrics")}
    chosen = read_json(Path(detector["clusters"]))
    results = _image_results(tables["images"], own["regions"], own["clusters"], name)
    said = [verdict for verdict in verdicts if verdict.detector == name]
    return DetectorReport(
        name=name,
        settings=_settings(detector),
        threshold=threshold["threshold"],
        threshold_says=threshold["says"],
        scale=tuple(threshold["scale"]),
        folder=_relative(detector["overlays"], root),
        colour_bar=_relative(detector["colour_bar"], root),
        metrics=own["metrics"],
        image_results=results,
        regions=own["regions"],
        clusters=_clusters(own["clusters"]),
        n_clusters=chosen["n_clusters"],
        clusters_chosen=chosen["criterion"],
        charts=read_json(Path(detector["charts"])),
        rate=decision.rate,
        otsu=decision.otsu,
        false_alarms=_false_alarms(decision),
        verdicts_say=verdicts_say(
            own["regions"],
            results,
            said,
            threshold=threshold["threshold"],
            rate=decision.rate,
            chosen=threshold.get("judged_says", ""),
        ),
    )


def _false_alarms(decision: Decision) -> str:
    """How many normal images are called anomalous, where the decision was made for that."""
    if decision.rate is None:
        return ""
    return f"Up to {100 * decision.rate:g}\u00a0% of normal images are called anomalous, too."


def _settings(detector: Mapping[str, Any]) -> str:
    """The settings, and what the detector learned, where it learns from its collection."""
    if not detector.get("model"):
        return str(detector["settings"])
    says = read_json(Path(detector["model"]))["says"]
    return f"{says}. {detector['settings']}"


def _image_results(
    images: pandas.DataFrame, regions: pandas.DataFrame, clusters: pandas.DataFrame, detector: str
) -> pandas.DataFrame:
    """A row for each image with a map: see `DetectorReport.image_results`."""
    rows = images[images[f"{detector}_score"].notna()].set_index("image")
    results = pandas.DataFrame(
        {
            "score": rows[f"{detector}_score"].astype(float),
            "p_value": rows[f"{detector}_p_value"].astype("Float64"),
            "threshold": rows[f"{detector}_threshold"].astype(float),
            "area": rows[f"{detector}_anomalous_area"] / (rows["width"] * rows["height"]),
            "regions": regions["image"].value_counts().reindex(rows.index, fill_value=0),
        }
    )
    return results.join(clusters.set_index("image")[["cluster", "distance"]].astype({"cluster": "Int32"}))


def _clusters(clusters: pandas.DataFrame) -> tuple[ClusterReport, ...]:
    """The clusters in the order of their numbers, and last the images that are in none."""
    reports = []
    for number, members in clusters.groupby("cluster"):
        medoid = members.loc[members["is_medoid"], "image"]
        reports.append(
            ClusterReport(
                cluster=int(str(number)),
                name=str(members["cluster_name"].iloc[0]),
                n_images=len(members),
                medoid=str(medoid.iloc[0]) if len(medoid) else None,
                support=None if members["support"].isna().any() else float(members["support"].iloc[0]),
            )
        )
    return tuple(sorted(reports, key=lambda report: (report.cluster < 0, report.cluster)))


def _relative(path: str, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()


def _draw_legend(threshold: Mapping[str, Any], output: Path) -> None:
    scale, limit = threshold["scale"] or (0.0, 1.0), threshold["threshold"] or 0.0
    replace_image(output, draw_colour_bar(tuple(scale), limit, COLOUR_BAR_HEIGHT))
