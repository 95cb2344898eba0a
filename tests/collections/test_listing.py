"""Collections as they lie on the disk: images, labels, masks, and what is said of the rest."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from firstsight.collections.listing import SHARED_MASK, Listing, list_collection
from firstsight.collections.references import part_references
from firstsight.errors import FirstsightError

ROOT = Path(__file__).resolve().parents[2]


def make(folder: Path, text: str) -> Path:
    """Small files of the names in a text; those that are called as a mask are black but for a spot."""
    noise = np.random.default_rng(0)
    for name in text.split():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in {".txt", ".csv", ".json"}:
            path.touch()
        elif re.search(r"mask|_gt|label|ground_?truth|(Imgs|NG)/.*\.png", name, re.IGNORECASE):
            Image.fromarray(np.uint8(np.eye(8) * 255)).save(path)
        else:
            Image.fromarray(noise.integers(0, 256, (8, 8), np.uint8)).save(path)
    return folder


LAYOUTS = {
    "MVTec AD": (
        """train/good/000.png test/good/000.png test/crack/000.png test/crack/001.png license.txt
        ground_truth/crack/000_mask.png ground_truth/crack/001_mask.png""",
        """test/crack/000.png crack- ground_truth/crack/000_mask.png
        test/crack/001.png crack- ground_truth/crack/001_mask.png
        test/good/000.png good+
        train/good/000.png reference""",
    ),
    "MVTec AD 2": (
        """train/good/000_regular.png validation/good/000_regular.png test_private/000_regular.png
        test_public/good/000_regular.png test_public/bad/000_regular.png
        test_public/ground_truth/bad/000_regular_mask.png""",
        """test_public/bad/000_regular.png bad- test_public/ground_truth/bad/000_regular_mask.png
        test_public/good/000_regular.png good+
        train/good/000_regular.png reference
        says not searched, since the layout is mvtec: test_private (1 image), validation (1 image)""",
    ),
    "MVTec LOCO AD": (
        """train/good/000.png validation/good/000.png test/good/000.png test/logical_anomalies/000.png
        test/logical_anomalies/001.png ground_truth/logical_anomalies/000/000.png
        ground_truth/logical_anomalies/001/000.png ground_truth/logical_anomalies/001/001.png defects_config.json""",
        """test/good/000.png good+
        test/logical_anomalies/000.png logical_anomalies- ground_truth/logical_anomalies/000/000.png
        test/logical_anomalies/001.png logical_anomalies- ground_truth/logical_anomalies/001/000.png \
            ground_truth/logical_anomalies/001/001.png
        train/good/000.png reference
        says not searched, since the layout is mvtec: validation (1 image)""",
    ),
    "VisA": (
        """Data/Images/Anomaly/000.JPG Data/Images/Normal/000.JPG Data/Images/Normal/0001.JPG
        Data/Masks/Anomaly/000.png image_anno.csv""",
        """Data/Images/Anomaly/000.JPG Anomaly- Data/Masks/Anomaly/000.png
        Data/Images/Normal/000.JPG Normal+
        Data/Images/Normal/0001.JPG Normal+""",
    ),
    "BTAD": (
        "train/ok/0000.bmp test/ok/0000.bmp test/ko/0000.bmp ground_truth/ko/0000.png",
        """test/ko/0000.bmp ko- ground_truth/ko/0000.png
        test/ok/0000.bmp ok+
        train/ok/0000.bmp reference""",
    ),
    "MPDD": (
        "train/good/000.png test/good/000.png test/hole/000.png ground_truth/hole/000_mask.png",
        """test/good/000.png good+
        test/hole/000.png hole- ground_truth/hole/000_mask.png
        train/good/000.png reference""",
    ),
    "KolektorSDD": (
        """kos01/Part0.jpg kos01/Part0_label.bmp kos01/Part1.jpg kos01/Part1_label.bmp
        kos02/Part0.jpg kos02/Part0_label.bmp""",
        """kos01/Part0.jpg ? kos01/Part0_label.bmp
        kos01/Part1.jpg ? kos01/Part1_label.bmp
        kos02/Part0.jpg ? kos02/Part0_label.bmp""",
    ),
    "KolektorSDD2": (
        "train/10000.png train/10000_GT.png test/20000.png test/20000_GT.png",
        """test/20000.png ? test/20000_GT.png
        train/10000.png ? train/10000_GT.png""",
    ),
    "DAGM 2007": (
        """Train/0576.PNG Train/0577.PNG Train/Label/0576_label.PNG Train/Label/Labels.txt Test/0576.PNG
        Test/0001.PNG Test/Label/0001_label.PNG Test/Label/Labels.txt""",
        """Test/0001.PNG ? Test/Label/0001_label.PNG
        Test/0576.PNG +
        Train/0576.PNG ? Train/Label/0576_label.PNG
        Train/0577.PNG +""",
    ),
    "AITEX": (
        """Defect_images/0001_002_00.png Defect_images/0044_019_04.png NODefect_images/2306881-210020u/0001_000_05.png
        Mask_images/0001_002_00_mask.png Mask_images/0044_019_04_mask1.png Mask_images/0044_019_04_mask2.png""",
        """Defect_images/0001_002_00.png Defect_images- Mask_images/0001_002_00_mask.png
        Defect_images/0044_019_04.png Defect_images- Mask_images/0044_019_04_mask1.png \
            Mask_images/0044_019_04_mask2.png
        NODefect_images/2306881-210020u/0001_000_05.png NODefect_images+""",
    ),
    "MTD": (
        """MT_Blowhole/Imgs/exp1_num_4727.jpg MT_Blowhole/Imgs/exp1_num_4727.png MT_Free/Imgs/exp1_num_4727.jpg
        MT_Free/Imgs/exp1_num_4727.png""",
        """MT_Blowhole/Imgs/exp1_num_4727.jpg MT_Blowhole- MT_Blowhole/Imgs/exp1_num_4727.png
        MT_Free/Imgs/exp1_num_4727.jpg MT_Free+ MT_Free/Imgs/exp1_num_4727.png""",
    ),
    "RSDDs": (
        """Type-I/Rail_surface_images/rail_1.jpg Type-I/GroundTruth/rail_1.jpg Type-II/Rail_surface_images/rail_1.jpg
        Type-II/GroundTruth/rail_1.jpg""",
        """Type-I/Rail_surface_images/rail_1.jpg ? Type-I/GroundTruth/rail_1.jpg
        Type-II/Rail_surface_images/rail_1.jpg ? Type-II/GroundTruth/rail_1.jpg""",
    ),
    "Real-IAD": (
        """OK/S0001/audiojack_0001_OK_C1_20230922.jpg NG/BX/S0010/audiojack_0010_NG_BX_C1_20230922.jpg
        NG/BX/S0010/audiojack_0010_NG_BX_C1_20230922.png NG/QS/S0011/audiojack_0011_NG_QS_C2_20230922.jpg
        NG/QS/S0011/audiojack_0011_NG_QS_C2_20230922.png""",
        """NG/BX/S0010/audiojack_0010_NG_BX_C1_20230922.jpg NG/BX- NG/BX/S0010/audiojack_0010_NG_BX_C1_20230922.png
        NG/QS/S0011/audiojack_0011_NG_QS_C2_20230922.jpg NG/QS- NG/QS/S0011/audiojack_0011_NG_QS_C2_20230922.png
        OK/S0001/audiojack_0001_OK_C1_20230922.jpg OK+""",
    ),
    "images and masks": (
        "images/a.png images/b.png masks/a.png masks/b_0.png masks/b_1.png",
        """images/a.png ? masks/a.png
        images/b.png ? masks/b_0.png masks/b_1.png""",
    ),
    "one folder of everything": (
        "a.png a_mask.png b.png b_mask.png",
        """a.png ? a_mask.png
        b.png ? b_mask.png""",
    ),
    "kinds": (
        "good/a.png crack/a.png crack/b.png",
        """crack/a.png crack-
        crack/b.png crack-
        good/a.png good+""",
    ),
    "any other folder": (
        "monday/a.png monday/b.png tuesday/a.png",
        """monday/a.png ?
        monday/b.png ?
        tuesday/a.png ?""",
    ),
}
"""Of each layout the names of its files, and what is read: of every image its label, + if it is normal and - if it is
not (?: neither is known), and its masks; reference images; and what is said of the whole."""


def described(path: Path, listing: Listing) -> list[str]:
    """What was read, in the words of `LAYOUTS`."""
    searched, references = part_references(listing.files, reference=None, path=path, layout="auto")
    lines = []
    for file in searched:
        known = {None: "" if file.label else "?", True: "+", False: "-"}[file.normal]
        masks = [mask.relative_to(path).as_posix() for mask in file.masks]
        lines.append(" ".join([file.image, f"{file.label or ''}{known}", *masks]))
    lines += [f"{file.image} reference" for file in references]
    return lines + [f"says {line}" for line in listing.remarks]


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(tmp_path: Path, name: str) -> None:
    files, expected = LAYOUTS[name]
    make(tmp_path, files)
    lines = [" ".join(line.split()) for line in expected.replace("\\\n", "").splitlines()]
    assert described(tmp_path, list_collection(tmp_path)) == lines


def test_the_page_has_a_row_for_each_layout() -> None:
    page = (ROOT / "docs/files.md").read_text(encoding="utf-8")
    section = page.split("## Layouts\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| (?!layout|---)([^|]+?) \|", section, re.MULTILINE) == list(LAYOUTS)


def test_a_mask_that_fits_two_images_is_given_to_none(tmp_path: Path) -> None:
    make(tmp_path, "test/good/0.png test/cut/0.png test/cut/0.jpg ground_truth/cut/0_mask.png ground_truth/cut/9.png")
    listing = list_collection(tmp_path)
    assert [file.masks for file in listing.files] == [()] * 3
    assert [file.remark for file in listing.files] == [SHARED_MASK, SHARED_MASK, None]
    assert listing.remarks == (
        "1 mask fits no image: ground_truth/cut/9.png",
        "1 mask fits several images and was given to none: ground_truth/cut/0_mask.png",
    )


def test_the_line_on_masks_without_an_image_is_short(tmp_path: Path) -> None:
    make(tmp_path, "test/good/a.png " + " ".join(f"ground_truth/cut/{number}.png" for number in range(7)))
    names = ", ".join(f"ground_truth/cut/{number}.png" for number in range(5))
    assert list_collection(tmp_path).remarks == (f"7 masks fit no image: {names} and 2 more",)


def test_no_label_is_called_normal(tmp_path: Path) -> None:
    make(tmp_path, "test/gut/0.png test/cut/0.png ground_truth/cut/0.png train/gut/0.png")
    said = list_collection(tmp_path).remarks
    assert said[0] == "no label is called normal; the labels are cut, gut; normal_label says which is"
    assert said[1] == "not searched, since the layout is mvtec: train (1 image)"
    listing = list_collection(tmp_path, normal_label=["GUT"])
    assert (listing.remarks, [file.normal for file in listing.files]) == ((), [False, True])
    _, references = part_references(listing.files, reference=None, path=tmp_path, layout="auto", normal_label=["GUT"])
    assert [file.image for file in references] == ["train/gut/0.png"]
    wrong = list_collection(tmp_path, normal_label=["fine"])
    assert wrong.remarks[0] == "normal_label fine is no label; the labels are cut, gut"
    assert [file.normal for file in wrong.files] == [False, False]


def test_a_label_that_the_config_calls_normal_makes_the_mvtec_layout(tmp_path: Path) -> None:
    make(tmp_path, "test/gut/0.png test/cut/0.png train/gut/1.png")
    assert len(list_collection(tmp_path).files) == 3
    assert [file.label for file in list_collection(tmp_path, normal_label=["gut"]).files] == ["cut", "gut"]


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ("0/a.png 1/a.png", ["0", "1"]),
        ("0/a.png 1/a.png 2/a.png", [None] * 3),
        ("bottle/good/a.png bottle/cut/a.png tile/a.png", ["cut", "good", None]),
        ("ok/deep/a.png ng/cut/a.png ng/b.png", ["ng", "ng/cut", "ok"]),
    ],
)
def test_labels_from_folders(tmp_path: Path, names: str, labels: list[str | None]) -> None:
    assert sorted((file.label for file in list_collection(make(tmp_path, names)).files), key=str) == sorted(
        labels, key=str
    )


def test_labels_of_a_sheet(tmp_path: Path) -> None:
    make(tmp_path, "a.png b.png c.png")
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("image,label\na.png,0\nb.png,1\nc.png,\n", encoding="utf-8")
    assert [file.normal for file in list_collection(sheet).files] == [True, False, None]
    sheet.write_text("image,label\na.png,Defect-Free\nb.png,0\n", encoding="utf-8")
    assert [file.normal for file in list_collection(sheet).files] == [True, False]
    assert [file.normal for file in list_collection(sheet, normal_label=["0"]).files] == [False, True]
    with pytest.raises(FirstsightError, match=r"mask\.pattern has no meaning here"):
        list_collection(sheet, pattern="{stem}_x.png")


def test_masks_of_a_pattern(tmp_path: Path) -> None:
    make(tmp_path, "good/a.png cut/a.png cut/a.defect.png cut/b.png cut/b.defect.png")
    listing = list_collection(tmp_path, pattern="*{stem}.defect.png")
    assert [(file.image, len(file.masks)) for file in listing.files] == [
        ("cut/a.png", 1),
        ("cut/b.png", 1),
        ("good/a.png", 0),
    ]
    make(tmp_path / "m", "test/good/a.png test/cut/a.png truth/cut/a.png")
    listing = list_collection(tmp_path / "m", pattern="truth/*/{stem}.png")
    assert [file.masks for file in listing.files] == [(tmp_path / "m/truth/cut/a.png",), ()]
    with pytest.raises(FirstsightError, match=r"mask\.pattern x/\{stem\}\.png fits no file in"):
        list_collection(tmp_path, pattern="x/{stem}.png")
    with pytest.raises(FirstsightError, match="all of its files are masks, or results"):
        list_collection(tmp_path, pattern="*{stem}.png")


def test_masks_that_a_run_exported_are_no_truth(tmp_path: Path) -> None:
    make(tmp_path, "a.png b.png b_mask.png results/exports/masks/a.png results/overlays/a.png")
    assert [len(file.masks) for file in list_collection(tmp_path).files] == [1, 1, 0]
    results = tmp_path / "results"
    listing = list_collection(tmp_path, is_result=lambda file: results in file.parents)
    assert [(file.image, len(file.masks)) for file in listing.files] == [("a.png", 0), ("b.png", 1)]
    make(tmp_path / "m", "test/good/a.png test/cut/a.png results/a.png")
    listing = list_collection(tmp_path / "m", is_result=lambda file: "results" in file.parts)
    assert (len(listing.files), listing.remarks) == (2, ())


def test_photographs_of_the_same_names_are_no_masks(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg b.jpg a.png b.png c.jpg c.bmp")
    (tmp_path / "c.bmp").write_bytes(b"")
    assert len(list_collection(tmp_path).files) == 6
