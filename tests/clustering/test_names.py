"""Names of clusters: they follow the named image, and what a spreadsheet does to the file is understood or named."""

from pathlib import Path

import numpy as np
import pandas
import pytest

from firstsight.clustering.kinds import fit_kinds
from firstsight.clustering.names import (
    apply_names,
    bind_names,
    name_kinds,
    read_names,
    rename_clusters,
    write_names,
)
from firstsight.errors import FirstsightError

HEADER = "collection,detector,medoid,name\n"


def clusters(*rows: tuple[str, int, float], collection: str = "tiles", detector: str = "fca") -> pandas.DataFrame:
    """Rows (image, cluster, distance); the image nearest to the centre is the medoid."""
    table = pandas.DataFrame(rows, columns=["image", "cluster", "distance"])
    nearest = table[table["cluster"] >= 0].groupby("cluster")["distance"].idxmin()
    return table.assign(
        collection=collection,
        detector=detector,
        cluster_name=[f"cluster {number}" if number >= 0 else "outlier" for number in table["cluster"]],
        is_medoid=table.index.isin(nearest),
    )


TILES = clusters(("a", 0, 0.1), ("b", 0, 0.2), ("c", 1, 0.3), ("d", 1, 0.1), ("e", -1, 0.9))


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "names.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    "text",
    [
        HEADER + "tiles,fca,a,Crack é\n",
        "\ufeff" + HEADER + "tiles,fca,a,Crack é\n",
        HEADER.replace(",", ";") + "tiles;fca;a;Crack é\r\n",
        HEADER.replace(",", "\t") + "tiles\tfca\ta\tCrack é",
        "size,name, medoid ,detector,cluster,collection\n3, Crack é ,a,fca,0,tiles\n,,,,,\n",
        HEADER + "tiles,fca,a,Crack é\ntiles,fca,a,Crack é\ntiles,fca,a,\ntiles,fca,b\n\n",
        HEADER + '"tiles","fca","a","Crack é"\n',
    ],
    ids=["plain", "mark", "semicolons", "tabs", "more columns", "repeated", "quoted"],
)
def test_names_are_read(text: str, tmp_path: Path) -> None:
    assert read_names(written(tmp_path, text)) == {("tiles", "fca", "a"): "Crack é"}


def test_no_lines_name_nothing(tmp_path: Path) -> None:
    assert read_names(written(tmp_path, HEADER)) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'collection'"),
        ("collection,detector,name\n", "no column 'medoid'"),
        (HEADER + "tiles,fca,a,crack\ntiles,fca,a,hole\n", "line 3: 'a' is named 'hole', but 'crack' before"),
        (HEADER + "tiles,,a,crack\n", "line 2: 'crack' has no"),
        (HEADER + "tiles,fca,a," + "x" * 81 + "\n", "81 characters"),
        (HEADER + 'tiles,fca,a,"two\nlines"\n', "line break"),
        (HEADER + "tiles,fca,a,bell\a\n", "control character"),
        (HEADER + "tiles,fca,a,y\u2028x\n", "control character"),
        (HEADER + 'tiles,fca,"a,crack\n', "cannot be read"),
    ],
)
def test_a_bad_file_is_named_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match=message) as error:
        read_names(written(tmp_path, text))
    assert "\n" not in str(error.value)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match=r"absent\.csv cannot be read \(No such file"):
        read_names(tmp_path / "absent.csv")
    with pytest.raises(FirstsightError, match="cannot be read"):
        read_names(tmp_path)
    with pytest.raises(FirstsightError, match="no UTF-8 text"):
        read_names(written(tmp_path, HEADER + "tiles,fca,a,é\n", "latin-1"))


def test_a_name_follows_its_image_into_another_cluster() -> None:
    names = {("tiles", "fca", "b"): "crack"}
    assert bind_names(TILES, names) == {("tiles", "fca", 0): "crack"}
    renumbered = clusters(("c", 0, 0.1), ("d", 0, 0.1), ("a", 1, 0.2), ("b", 1, 0.1))
    named = apply_names(renumbered, names)
    assert named["cluster_name"].tolist() == ["cluster 0", "cluster 0", "crack", "crack"]
    assert renumbered["cluster_name"].tolist() == ["cluster 0", "cluster 0", "cluster 1", "cluster 1"]


def test_of_two_named_images_in_a_cluster_the_nearest_to_its_centre_counts() -> None:
    assert bind_names(TILES, {("tiles", "fca", "c"): "hole", ("tiles", "fca", "d"): "crack"}) == {
        ("tiles", "fca", 1): "crack"
    }
    equal = clusters(("b", 0, 0.1), ("a", 0, 0.1))
    assert bind_names(equal, {("tiles", "fca", "a"): "x", ("tiles", "fca", "b"): "y"}) == {("tiles", "fca", 0): "x"}


def test_outliers_strangers_and_others_name_nothing() -> None:
    names = {
        ("tiles", "fca", "e"): "x",
        ("tiles", "fca", "z"): "x",
        ("cloth", "fca", "a"): "x",
        ("tiles", "sww", "a"): "x",
    }
    assert bind_names(TILES, names) == {}
    pandas.testing.assert_frame_equal(apply_names(TILES, names), TILES)


def test_regions_are_renamed_by_their_own_cluster() -> None:
    regions = pandas.DataFrame(
        {
            "collection": ["tiles"] * 4,
            "detector": ["fca"] * 4,
            "cluster": pandas.array([0, 1, -1, None], dtype="Int32"),
            "cluster_name": ["cluster 0", "cluster 1", "outlier", None],
        }
    )
    renamed = rename_clusters(regions, {("tiles", "fca", 1): "crack"})
    assert renamed["cluster_name"].fillna("none").tolist() == ["cluster 0", "crack", "outlier", "none"]


def test_a_file_to_edit_keeps_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "names.csv"
    write_names(path, TILES)
    assert read_names(path) == {}
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "collection,detector,cluster,current_name,size,medoid,name"
    assert lines[1:] == ["tiles,fca,0,cluster 0,2,a,", "tiles,fca,1,cluster 1,2,d,"]
    path.write_text(
        HEADER + "tiles,fca,c,crack\ntiles,fca,e,a loner\ncloth,fca,x,hole\n".replace("hole", "=1+1"), encoding="utf-8"
    )
    write_names(path, TILES)
    names = {("tiles", "fca", "d"): "crack", ("tiles", "fca", "e"): "a loner", ("cloth", "fca", "x"): "=1+1"}
    assert read_names(path) == names
    again = path.read_bytes()
    write_names(path, TILES)
    assert path.read_bytes() == again
    assert [entry.name for entry in path.parent.iterdir()] == ["names.csv"]


def test_kinds_of_groups_have_lines_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    members = [("tiles", "a", 1, True), ("cloth", "x", 1, False), ("cloth", "y", 2, True), ("cloth", "z", 0, True)]
    groups = pandas.DataFrame(
        [
            {"group": "cloth+tiles", "detector": "fca", "collection": collection, "image": image, "region": region}
            | {"cluster": number, "cluster_name": f"cluster {number}", "is_medoid": is_medoid}
            for collection, image, number, is_medoid in members
            for region in (None, 1)
        ]
    ).astype({"region": "Int32"})
    write_names(path, TILES, groups)
    header, *lines = path.read_text(encoding="utf-8-sig").splitlines()
    assert header == "group,collection,detector,cluster,current_name,size,medoid,name"
    assert lines == [
        ",tiles,fca,0,cluster 0,2,a,",
        ",tiles,fca,1,cluster 1,2,d,",
        "cloth+tiles,cloth,fca,2,cluster 2,1,y,",
    ], "a stands for a kind of the group already, and normal images are no kind"
    path.write_text(path.read_text().replace("y,", "y,hole"))
    write_names(path, TILES, groups)
    assert read_names(path) == {("cloth", "fca", "y"): "hole"}
    assert len(path.read_text().splitlines()) == 4
    write_names(path, TILES)
    assert read_names(path) == {("cloth", "fca", "y"): "hole"}, "also without groups"


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-x", "@SUM(1)", "'quoted", "'=x", "a,b;c\td", 'say "x"'])
def test_no_cell_is_a_formula_and_every_text_comes_back(text: str, tmp_path: Path) -> None:
    table = clusters((text, 0, 0.1), (text + "2", 0, 0.2), collection=text)
    path = tmp_path / "names.csv"
    write_names(path, table)
    content = pandas.read_csv(path, dtype=str, keep_default_na=False)
    assert not content.map(lambda cell: cell.startswith(("=", "+", "-", "@"))).any(axis=None)
    named = content.assign(name="-name").to_csv(index=False)
    path.write_text(named, encoding="utf-8")
    assert read_names(path) == {(text, "fca", text): "-name"}
    write_names(path, table)
    assert not pandas.read_csv(path, dtype=str).map(lambda cell: cell.startswith(("=", "+", "-", "@"))).any(axis=None)
    assert apply_names(table, read_names(path))["cluster_name"].tolist() == ["-name", "-name"]


def test_image_names_with_line_breaks_come_back(tmp_path: Path) -> None:
    write_names(tmp_path / "n.csv", clusters(("two\nlines\r.png", 0, 0.1)))
    text = (tmp_path / "n.csv").read_bytes().decode("utf-8-sig")
    (tmp_path / "n.csv").write_bytes(text.replace('",\r\n', '",hole\r\n').encode())
    assert read_names(tmp_path / "n.csv") == {("tiles", "fca", "two\nlines\r.png"): "hole"}


def test_kinds_take_their_names_along() -> None:
    rng = np.random.default_rng(0)
    descriptors = np.repeat(rng.normal(0, 5, (2, 2, 8)), [6, 5], axis=0) + rng.normal(0, 0.1, (11, 2, 8))
    images = [f"{number}.png" for number in range(11)]
    kinds, _ = fit_kinds(images, descriptors, 2, collection="tiles", detector="fca")
    names = {("tiles", "fca", "8.png"): "crack", ("cloth", "fca", "0.png"): "hole"}
    assert name_kinds(kinds, names).names == ("cluster 0", "crack")
