"""The stage share: the page in an archive."""

import zipfile
from pathlib import Path

from firstsight.stages.job import Job
from firstsight.stages.share import zip_page


def test_the_archive_holds_every_file_where_it_was(tmp_path: Path, job: Job) -> None:
    results = tmp_path / "results"
    files = {
        "reports/index.html": b"<p>" * 400,
        "reports/data/page.css": b"p {}",
        "pile/detectors/fca-0/overlays/0/layers-3.js": b"firstsight.pictures({});",
        "pile/detectors/fca-0/overlays/0/thumbnails-3.js": b"firstsight.pictures({});",
    }
    for name, content in {**files, "reports/data/.notes": b"no part"}.items():
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_bytes(content)
    parts = [results / "reports/index.html", results / "reports/data", results / "pile/detectors/fca-0/overlays/0"]
    for name in ("page.zip", "again.zip"):
        zip_page(parts=parts, results=results, output=tmp_path / name, job=job)
    assert (tmp_path / "page.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "page.zip") as archive:
        assert archive.testzip() is None
        assert {entry: archive.read(entry) for entry in archive.namelist()} == {
            f"firstsight/{name}": content for name, content in files.items()
        }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.zip", "page.zip", "results"]
