"""Reports for the page, with pictures drawn, names that are meant to do harm, and as many images as wanted."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas
from PIL import Image

from firstsight.reports.first_screen import crops_of
from firstsight.reports.last_run import Run, summary_of
from firstsight.reports.overlays import Layers, draw_colour_bar, write_image
from firstsight.reports.page_report import ClusterReport, CollectionReport, DetectorReport, Page
from firstsight.reports.picture_files import picture_files

SCRIPT = "<script>alert(1)</script>.png"
HANDLER = '"onload="alert(1)" x="&amp;.png'
ENDING = "</script><img src=x onerror=alert(1)>.png"
NOT_UNICODE = "caf\udce9.png"
ODD_FOLDER = 'odd #100%25 "name"? é'
MAGENTA = (214, 19, 150)
BLUE = (19, 90, 214)

JUDGED = "judged in windows of 27 pixels; images enter at 1.5 times their size"


def metrics(*rows: tuple[str, float | None, float]) -> pandas.DataFrame:
    return pandas.DataFrame(
        [
            {"metric": name, "value": value, "crop": crop, "n_images": 60, "n_regions": 1234}
            | ({"low": 0.7, "high": 0.8125} if name == "of_its_own" else {"low": None, "high": None})
            for name, value, crop in rows
        ],
        columns=["metric", "value", "low", "high", "crop", "n_images", "n_regions"],
    )


def image_results(scores: dict[str, float], cluster: dict[str, int]) -> pandas.DataFrame:
    """The results of a detector: two regions in every image with a score from 10 on."""
    table = pandas.DataFrame({"score": pandas.Series(scores)})
    table["p_value"] = np.where(table["score"] >= 10, 0.01, 0.4)
    table["threshold"] = table["score"] / 4
    table["area"] = np.where(table["score"] >= 10, 0.0123, 0.0)
    table["regions"] = np.where(table["score"] >= 10, 2, 0)
    table["cluster"] = pandas.Series(cluster, dtype="Int32")
    table["distance"] = table["score"] / 10
    return table


def regions_of(table: pandas.DataFrame) -> pandas.DataFrame:
    images = [image for image, count in table["regions"].items() for _ in range(count)]
    count = len(images)
    first = np.arange(count) % 2 == 0
    columns: dict[str, Any] = {"image": images, "region": np.where(first, 1, 2), "x": np.where(first, 20, 200)}
    columns |= {"y": 30, "width": 40, "height": np.where(first, 50, 20), "area": 787, "score_max": 12.5}
    columns |= {"score_mean": 11.25, "cluster_name": np.where(first, "cluster 0", "another kind")}
    return pandas.DataFrame(columns)


def charts_of(images: list[str]) -> dict[str, Any]:
    points = np.random.default_rng(0).normal(size=(len(images), 2)).tolist()
    tree = {
        "leaves": [{"images": 20, "cluster": 0}, {"images": 12, "cluster": 1}],
        "joins": [{"x": [0, 1], "low": [0, 0], "high": 3.5}],
    }
    near = [[(place + step) % len(images) for step in (3, 1, 2)] for place in range(len(images))]
    return {"images": images, "points": points, "near": near, "method": "t-SNE", "tree": tree}


def detector(name: str, table: pandas.DataFrame, clusters: tuple[ClusterReport, ...], **more: Any) -> DetectorReport:
    settings: dict[str, Any] = {
        "settings": "patch_size 9 <b>",
        "threshold": 9.75,
        "threshold_says": "the value that was <given>",
        "scale": (0.0, 31.5),
        "folder": f"../overlays/{ODD_FOLDER}/{name}",
        "colour_bar": f"../overlays/{ODD_FOLDER}/scale.png",
        "metrics": metrics(),
        "regions": regions_of(table),
        "n_clusters": sum(cluster.cluster >= 0 for cluster in clusters),
        "clusters_chosen": "2, estimated",
        "charts": charts_of(list(table.index)),
    }
    return DetectorReport(name=name, image_results=table, clusters=clusters, **{**settings, **more})


def images_table(names: list[str], label: str | None = "crack") -> pandas.DataFrame:
    columns = {"image": names, "shard": "0123456789", "label": label, "width": 320, "height": 200, "native": True}
    table = pandas.DataFrame(columns).astype({"label": object, "width": "Int32", "height": "Int32"})
    notes = [("copy of another",) if name.startswith("test/00") else () for name in names]
    table["notes"] = pandas.Series(notes, index=table.index, dtype=object)
    # All lie below one folder, but one within a stack and one elsewhere.
    odd = {"test/003.png": None, "test/004.png": "../elsewhere/4.png"}
    original = [odd.get(name, f"../data/{quote(name)}") for name in names]
    return table.assign(original=pandas.Series(original, index=table.index, dtype=object))


def run_before(page: Page) -> Run:
    """A run in which the first detector called no image of its first collection anomalous, and had another rate."""
    tiles = page.collections[0]
    calm = replace(tiles.detectors[0], image_results=tiles.detectors[0].image_results.assign(regions=0), rate=0.01)
    return summary_of(replace(page, collections=(replace(tiles, detectors=(calm, *tiles.detectors[1:])),)))


def draw_pictures(reports: Path, page: Page, *, all_images: bool = True) -> None:
    """Draw what the page shows, `grnr` in a colour of its own; of all images, or of those of the first screen."""
    drawn: dict[Path, set[str]] = {}
    for collection in page.collections:
        for report in collection.detectors:
            write_image(reports / report.colour_bar, draw_colour_bar(report.scale, report.threshold, 120))
            crops = crops_of(collection, report)
            first = [*crops.worst, *(kind.crop for kind in crops.kinds if kind.crop)]
            images = map(str, report.image_results.index) if all_images else (crop.image for crop in first)
            shards = collection.images.set_index("image")["shard"]
            for image in images:
                drawn.setdefault(reports / report.folder / shards[image], set()).add(image)
    for folder, names in drawn.items():
        picture = Image.new("RGB", (320, 200), BLUE if folder.parent.name == "grnr" else MAGENTA)
        with picture_files(folder) as files:
            for name in sorted(names):
                files.add(name, Layers(picture, picture, Image.new("RGBA", picture.size)))


def sample_page() -> Page:
    """Two collections: one of 34 images and two detectors, one without clusters, masks and labels."""
    names = [f"test/{number:03d}.png" for number in range(30)] + [SCRIPT, HANDLER, ENDING, "café.png"]
    scores = {name: float(number) for number, name in enumerate(names)}
    cluster = {name: 0 if number < 16 else 1 for number, name in enumerate(names)} | {names[5]: -1}
    clusters = (
        ClusterReport(1, "second & <i>kind</i>", 18, SCRIPT),
        ClusterReport(0, "cluster 0", 15, names[9]),
        ClusterReport(-1, "outlier", 1, None),
    )
    rows = [("auroc", 0.7777, 0.0625), ("nmi", 0.25, 0.0), ("of_its_own", 0.5, 0.0), ("auroc", 0.98765, 0.0)]
    first = detector(
        "fca",
        image_results(scores, cluster),
        (clusters[1], clusters[0], clusters[2]),
        metrics=metrics(*rows, ("pro", 0.7733, 0.0), ("average_precision", None, 0.0)),
        rate=0.05,
        false_alarms="Up to 5\u00a0% of normal images are called anomalous, too.",
    )
    fewer = {name: -score for name, score in scores.items() if name != names[2]}
    second = detector("grnr", image_results(fewer, {}), (), clusters_chosen="no image has a map")
    plain = [f"{number}.png" for number in range(3)]
    nothing: dict[str, Any] = {"images": [], "points": [], "method": "principal components", "tree": None}
    third = detector("fca", image_results(dict.fromkeys(plain, 1.5), {}), (), charts=nothing)
    odd = (("<b>photo.jpg", 2.75), ("0.png", 2.5))
    aside = (("broken.png", "truncated file"), ("<img src=x onerror=alert(1)>", "1 x 1 <pixel>"), (NOT_UNICODE, "odd"))
    return Page(
        title="tiles & <cloth>",
        version="0.1.0",
        collections=(
            CollectionReport(
                "tiles",
                "data/<tiles>",
                37,
                "laws",
                "none",
                JUDGED,
                (first, second),
                images_table(names),
                aside,
                originals="../data/",
            ),
            CollectionReport(
                "cloth",
                "data/cloth",
                3,
                "laws",
                "none",
                JUDGED,
                (third,),
                images_table(plain, None),
                (),
                odd,
                ("detectors.ssdnet: no <weights>",),
            ),
        ),
    )


def in_shards(images: pandas.DataFrame) -> pandas.DataFrame:
    """The images with 200 of them in a shard, as a collection of 100,000 has."""
    return images.assign(shard=[f"{row // 200:010x}" for row in range(len(images))])


def large_page(count: int) -> Page:
    """A page of two collections with ``count`` images in all, five clusters and some outliers each."""
    collections = []
    for name, size in (("many", count - count // 4), ("more", count // 4)):
        generator = np.random.default_rng(size)
        names = [f"line_{number // 1000}/camera_{number % 3}/image_{number:06d}.png" for number in range(size)]
        scores = dict(zip(names, generator.gamma(2, 6, size).tolist(), strict=True))
        numbers = generator.integers(-1, 5, size)
        table = image_results(scores, dict(zip(names, numbers.tolist(), strict=True)))
        members = {number: np.flatnonzero(numbers == number) for number in (0, 1, 2, 3, 4, -1)}
        clusters = tuple(
            ClusterReport(
                number,
                f"cluster {number}" if number >= 0 else "outlier",
                len(rows),
                names[rows[0]] if number >= 0 else None,
            )
            for number, rows in members.items()
        )
        folder = f"../overlays/{name}"
        shown = detector("blind", table, clusters, charts=charts_of(names[:2000]), folder=folder)
        collections.append(
            CollectionReport(name, "data", size, "laws", "none", JUDGED, (shown,), in_shards(images_table(names)), ())
        )
    return Page("many images", "0.1.0", tuple(collections))
