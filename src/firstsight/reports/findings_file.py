"""The findings of a run in one HTML file with all its pictures: to send, to print, to keep."""

import base64
import hashlib
import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from firstsight.errors import FirstsightError
from firstsight.reports.page_context import page_context, page_environment, page_style
from firstsight.reports.page_report import CollectionReport, DetectorReport
from firstsight.reports.picture_files import read_picture
from firstsight.reports.prepared_page import PreparedPage
from firstsight.reports.severity import image_strengths
from firstsight.storage.replacing import replace_file

MOST_BYTES = 8_000_000
"""What the pictures of anomalous images may take in all, besides those of the first screen."""

MOST_PICTURES = 60
"""How many anomalous images of a detector are shown at most, worst first."""


def write_findings(path: Path, prepared: PreparedPage, *, most_bytes: int = MOST_BYTES) -> None:
    """Write what a run found into one HTML file without scripts.

    It shows the first screen of the page, the worst anomalous images of every detector, where defects lie, metrics, and
    what was set aside. The same results give the same bytes.

    Args:
        path: the HTML file. The page and its folder of data are already there, beside it (`write_page`).
        prepared: what to show.
        most_bytes: of the pictures of anomalous images; each detector has an equal part.

    Raises:
        FirstsightError: a picture that is missing.
    """
    environment, folder = page_environment(), path.parent
    context = page_context(folder, prepared)
    share = most_bytes // max(1, sum(map(len, prepared.detectors)))
    for shown in context["collections"]:
        for own in shown["detectors"]:
            own["pictures"] = _pictures(folder, shown["report"], own["report"], share)
    style = page_style(environment)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    text = environment.get_template("findings.html.j2").render(
        style=style, digest=digest, inline=_inliner(folder), **context
    )
    replace_file(path, lambda beside: beside.write_text(text, encoding="utf-8", errors="replace"))


def _pictures(
    folder: Path, collection: CollectionReport, detector: DetectorReport, most_bytes: int
) -> list[dict[str, Any]]:
    """The worst anomalous images of a detector, as many as fit: name, label, score, number of regions and picture."""
    shards = collection.images.set_index("image")[["shard", "label"]].to_dict("index")
    strength = image_strengths(detector)
    ordered = detector.image_results.assign(strength=strength)[strength > 0]
    ordered = ordered.sort_values(["strength", "score"], ascending=False, kind="stable").head(MOST_PICTURES)
    shown, taken = [], 0
    for image, row in ordered.to_dict("index").items():
        picture = read_picture(folder / detector.folder / shards[image]["shard"], str(image), "thumbnail")
        taken += len(picture)
        if taken > most_bytes:
            break
        label = shards[image]["label"]
        facts = {"image": image, "label": label, "score": row["score"], "regions": row["regions"]}
        shown.append({**facts, "url": _data_address(picture, "image/webp")})
    return shown


def _inliner(folder: Path) -> Callable[[str], str]:
    """A function from the address of a picture, relative to the page, to its contents as an address."""

    def inline(url: str) -> str:
        path = folder / unquote(url, errors="surrogateescape")
        try:
            contents = path.read_bytes()
        except OSError as error:
            raise FirstsightError(f"the findings need the picture {path}: {error}") from error
        return _data_address(contents, mimetypes.types_map.get(path.suffix, "image/webp"))

    return inline


def _data_address(contents: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(contents).decode()}"
