"""The page of a run: a static HTML file with its style, scripts and data, readable from disk without a network."""

from importlib.resources import files
from pathlib import Path

from firstsight.reports.overlays import write_image
from firstsight.reports.page_context import (
    DATA,
    density_file,
    folders_of,
    page_context,
    page_environment,
    page_style,
)
from firstsight.reports.page_data import page_order, page_summary, write_charts, write_images, write_script
from firstsight.reports.prepared_page import PreparedPage
from firstsight.reports.region_density import draw_density
from firstsight.storage.replacing import replace_file, replace_folder

SCRIPTS = (
    "data.js",
    "marks.js",
    "trial.js",
    "selection.js",
    "gallery.js",
    "pane.js",
    "viewer.js",
    "charts.js",
    "address.js",
    "start.js",
)
"""The scripts of the page, in the order in which they are loaded."""


def write_page(path: Path, prepared: PreparedPage) -> None:
    """Write the page: an HTML file, and beside it the folder ``data``. Both get their names when they are complete.

    Neither contains a date: the same results, after the same run, give the same bytes. Values from the data are escaped
    in the HTML and are plain strings in the scripts. A page opened from disk may not read files, so its data are
    scripts too: a summary, the images and their regions in chunks of 2,000 images, and the charts of every detector.

    Args:
        path: the HTML file. The overlays and colour bars already exist, at their paths relative to its folder. Crops of
            the worst regions, and of one region of each kind, are made from them.
        prepared: what to show.

    Raises:
        FirstsightError: a picture that is missing or none, or a path that is not relative.
    """
    environment, folder, page = page_environment(), path.parent, prepared.page
    orders = [page_order(collection) for collection in page.collections]
    text = environment.get_template("page.html.j2").render(scripts=SCRIPTS, **page_context(folder, prepared))
    with replace_folder(folder / DATA) as data:
        (data / "page.css").write_text(page_style(environment), encoding="utf-8")
        for script in SCRIPTS:
            source = files("firstsight.reports").joinpath("templates", script)
            (data / script).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
        write_script(
            data / "summary.js", "summary", page_summary(page.collections, orders, folders_of(page), page.verdicts)
        )
        for place, (collection, order) in enumerate(zip(page.collections, orders, strict=True)):
            for rank, shown in enumerate(prepared.detectors[place]):
                shown.crops.write(folder, data, place, rank)
                if shown.density is not None:
                    write_image(data / density_file(place, rank), draw_density(shown.density))
            write_images(data, place, collection, order)
            write_charts(data, place, collection, order)
    # A file name that is not valid Unicode must not prevent the page.
    replace_file(path, lambda beside: beside.write_text(text, encoding="utf-8", errors="replace"))
