"""The papers' data sets: where they may be had, and how a folder of one is recognised.

A folder is recognised by its name and by what is in it, in the form in which the set is distributed. Sure are MVTec AD
(its categories and their kinds), MTD (``MT_Blowhole/Imgs``), AITEX (``Defect_images``, ``Mask_images``), KSDD
(``kos01/Part0_label.bmp``), KSDD2 (``test/20000_GT.png``), DAGM 2007 (``Class1/Test/Label``) and RSDDs
(``GroundTruth`` beside the images). Less sure are DTD-Synthetic, the woven fabric textures, the HKU fabrics and coffee
leaves, which are recognised in the MVTec layout (``test/<kind>``, ``ground_truth/<kind>``) by their names and kinds; so
are MTD, AITEX and RSDDs, as others hand them on. Pavement, Printing and MTL AD are not recognised: no form of them is
known.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from firstsight.collections.folders import printable
from firstsight.collections.readers import SUFFIXES
from firstsight.errors import FirstsightError

DEPTH = 3
"""A data set lies at most so many folders below the one that is searched."""


class SheetRow(NamedTuple):
    """A line of a sample sheet; the mask is empty where the image has none, the label where it is unknown."""

    image: Path
    mask: Path | None
    label: str


@dataclass(frozen=True)
class Found:
    """A texture of a data set that lies in a folder.

    data_set: a key of `DATA_SETS`.
    texture: the set's name of it; empty for a set that is one.
    path: the folder.
    layout: of the collection that it becomes; "sheet" where ``rows`` are its sample sheet.
    rows: of the sheet.
    part: how it differs from the set as it is distributed; empty if it is complete, as far as its files tell.
    kind: of anomaly, where only the images of one are meant.
    """

    data_set: str
    texture: str
    path: Path
    layout: str = "mvtec"
    rows: tuple[SheetRow, ...] = ()
    part: str = ""
    kind: str = ""

    @property
    def name(self) -> str:
        """The name of its collection."""
        parts = filter(None, [self.data_set, self.texture, self.kind])
        return re.sub("[^A-Za-z0-9_-]+", "_", "_".join(parts)).strip("_-")


Recognise = Callable[[str, Path], Iterator[Found]]


@dataclass(frozen=True)
class DataSet:
    """A data set of the papers.

    title: its usual name.
    where: where it may be had.
    recognise: what a folder holds of it, given the set's key and the folder.
    note: what firstsight does otherwise on this set whatever the preset, or what its figures hang on.
    """

    title: str
    where: str
    recognise: Recognise
    note: str = ""


def find_data_sets(folder: Path) -> tuple[Found, ...]:
    """All data sets of the papers that lie in a folder, in the order of `DATA_SETS`, each texture once.

    Raises:
        FirstsightError: there is no such folder, or nothing in it is recognised.
    """
    if not folder.is_dir():
        raise FirstsightError(f"--data: no such folder: {printable(folder)}")
    found: dict[str, Found] = {}
    for place in _folders(folder, DEPTH):
        for name, data_set in DATA_SETS.items():
            for texture in data_set.recognise(name, place):
                found.setdefault(texture.name, texture)
    if not found:
        titles = ", ".join(data_set.title for data_set in DATA_SETS.values())
        raise FirstsightError(f"--data: nothing in {printable(folder)} is recognised as a data set of papers: {titles}")
    order = list(DATA_SETS)
    return tuple(sorted(found.values(), key=lambda texture: (order.index(texture.data_set), texture.texture)))


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """A folder and those below it, in the order of their names; the folders of images are not entered."""
    yield folder
    if depth > 0 and not {"test", "train", "ground_truth"} & set(_subfolders(folder)):
        for name in _subfolders(folder):
            yield from _folders(folder / name, depth - 1)


def _subfolders(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []


def _images(folder: Path) -> list[Path]:
    """The images in a folder, not below it."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def _mvtec_kinds(folder: Path) -> set[str]:
    """The kinds of a folder in the MVTec layout, empty if it is none."""
    there = {"test", "ground_truth"} <= set(_subfolders(folder))
    return {kind for kind in _subfolders(folder / "test") if _images(folder / "test" / kind)} if there else set()


def _mvtec_part(folder: Path, whole: int | None) -> str:
    """How many images there are of so many that the set has; empty if all of them, or if that is unknown."""
    count = sum(len(_images(folder / "test" / kind)) for kind in _subfolders(folder / "test"))
    return f"{count} of {whole} images" if whole is not None and count < whole else ""


def in_mvtec_layout(textures: dict[str, int | None], kinds: Sequence[str] = ()) -> Recognise:
    """Recognise folders of these names in the MVTec layout.

    Args:
        textures: the number of images to search of each, None where it is unknown.
        kinds: of anomalies; any where there are none.
    """

    def recognise(data_set: str, folder: Path) -> Iterator[Found]:
        found = _mvtec_kinds(folder)
        name = folder.name
        if name in textures and found and (not kinds or found <= {"good", *kinds}):
            yield Found(data_set, name, folder, part=_mvtec_part(folder, textures[name]))

    return recognise


def by_kinds(kinds: Sequence[str], textures: dict[str, int | None], least: int = 2) -> Recognise:
    """Recognise folders in the MVTec layout by their kinds, written in whatever way.

    Args:
        kinds: in small letters, without anything between them.
        textures: what the folder's name must hold, and the number of images to search.
        least: so many of the kinds must be there.
    """

    def recognise(data_set: str, folder: Path) -> Iterator[Found]:
        found = {re.sub("[^a-z0-9]", "", kind.lower()) for kind in _mvtec_kinds(folder)} - {"good"}
        texture = next((name for name in textures if name in folder.name.lower()), None)
        if texture is not None and len(found) >= least and found <= set(kinds):
            yield Found(data_set, texture, folder, part=_mvtec_part(folder, textures[texture]))

    return recognise


def _any_of(*ways: Recognise) -> Recognise:
    return lambda data_set, folder: (found for way in ways for found in way(data_set, folder))


def _sheet(data_set: str, texture: str, folder: Path, rows: Sequence[SheetRow], whole: int | None) -> Iterator[Found]:
    if rows:
        part = f"{len(rows)} of {whole} images" if whole is not None and len(rows) < whole else ""
        yield Found(data_set, texture, folder, "sheet", tuple(rows), part)


def _mtd(data_set: str, folder: Path) -> Iterator[Found]:
    """Folders ``MT_<Kind>/Imgs`` with photographs (JPEG) and masks (PNG) of the same names."""
    kinds = {name.removeprefix("MT_"): folder / name / "Imgs" for name in _subfolders(folder) if name.startswith("MT_")}
    rows = [
        SheetRow(image, None, "good") if kind == "Free" else SheetRow(image, image.with_suffix(".png"), kind.lower())
        for kind, images in kinds.items()
        for image in _images(images)
        if image.suffix.lower() == ".jpg"
    ]
    yield from _sheet(data_set, "", folder, rows, 1344)


def _mtd_handed_on(data_set: str, folder: Path) -> Iterator[Found]:
    kinds = _mvtec_kinds(folder)
    if "blowhole" in kinds and kinds <= {"blowhole", "break", "crack", "fray", "uneven", "free", "good"}:
        yield Found(data_set, "", folder, part=_mvtec_part(folder, 1344))


AITEX_CODES = ("002", "006", "010", "016", "019", "022", "023", "025", "027", "029", "030", "036")
"""The kinds of defects of AITEX."""


def _aitex(data_set: str, folder: Path) -> Iterator[Found]:
    """``Defect_images/0001_002_00.png`` (number, code, fabric) with ``Mask_images/0001_002_00_mask.png``."""
    if {"Defect_images", "Mask_images"} <= set(_subfolders(folder)):
        masks = {path.stem.partition("_mask")[0]: path for path in reversed(_images(folder / "Mask_images"))}
        rows = [
            SheetRow(image, masks[image.stem], image.stem.split("_")[1])
            for image in _images(folder / "Defect_images")
            if image.stem in masks and image.stem.count("_") == 2
        ]
        whole = "strips of 4096 x 256 pixels whole, not cut into squares"
        for found in _sheet(data_set, "", folder, rows, None):
            yield Found(data_set, "", folder, found.layout, found.rows, whole)


def _aitex_handed_on(data_set: str, folder: Path) -> Iterator[Found]:
    kinds = _mvtec_kinds(folder) - {"good"}
    if kinds and kinds <= set(AITEX_CODES):
        yield Found(data_set, folder.name, folder, part="one fabric of seven, cut by others")


def _ksdd(data_set: str, folder: Path) -> Iterator[Found]:
    """``kos01/Part0.jpg`` with ``kos01/Part0_label.bmp``."""
    boards = [name for name in _subfolders(folder) if re.fullmatch(r"kos\d\d", name)]
    rows = [
        SheetRow(image, image.with_name(f"{image.stem}_label.bmp"), "")
        for board in boards
        for image in _images(folder / board)
        if not image.stem.endswith("_label")
    ]
    yield from _sheet(data_set, "", folder, rows, 399)


def _ksdd2(data_set: str, folder: Path) -> Iterator[Found]:
    """``test/20000.png`` with ``test/20000_GT.png``."""
    masks = {path.stem for path in _images(folder / "test") if path.stem.endswith("_GT")}
    rows = [
        SheetRow(image, image.with_name(f"{image.stem}_GT.png"), "")
        for image in _images(folder / "test")
        if f"{image.stem}_GT" in masks
    ]
    yield from _sheet(data_set, "", folder, rows, 1004)


def _dagm(data_set: str, folder: Path) -> Iterator[Found]:
    """``Class1/Test/0576.PNG`` with ``Class1/Test/Label/0576_label.PNG`` where it is anomalous."""
    if re.fullmatch(r"Class\d+", folder.name) and (folder / "Test/Label").is_dir():
        masks = {path.stem: path for path in _images(folder / "Test/Label")}
        rows = [
            SheetRow(image, mask, "good" if mask is None else "defect")
            for image in _images(folder / "Test")
            for mask in [masks.get(f"{image.stem}_label")]
        ]
        whole = 575 if int(folder.name.removeprefix("Class")) <= 6 else 1150
        yield from _sheet(data_set, folder.name.lower(), folder, rows, whole)


def _rsdds(data_set: str, folder: Path) -> Iterator[Found]:
    """A folder ``GroundTruth`` with files of the names of those in the folder of images beside it."""
    if "GroundTruth" in _subfolders(folder) and "rsdd" in folder.name.lower():
        masks = {path.stem: path for path in _images(folder / "GroundTruth")}
        rows = [
            SheetRow(image, masks[image.stem], "defect")
            for name in _subfolders(folder)
            if name != "GroundTruth"
            for image in _images(folder / name)
            if image.stem in masks
        ]
        yield from _sheet(data_set, _rail_type(folder), folder, rows, _RAILS[_rail_type(folder)])


def _rsdds_handed_on(data_set: str, folder: Path) -> Iterator[Found]:
    if "rsdd" in folder.name.lower() and _mvtec_kinds(folder):
        kind = _rail_type(folder)
        yield Found(data_set, kind, folder, part=_mvtec_part(folder, _RAILS[kind]))


_RAILS = {"type1": 67, "type2": 128}
"""Images of express and of common rails."""


def _rail_type(folder: Path) -> str:
    name = re.sub("[^a-z0-9]", "", folder.name.lower())
    return "type2" if "type2" in name or "typeii" in name else "type1"


_MVTEC_TEXTURES: dict[str, int | None] = {"carpet": 117, "grid": 78, "leather": 124, "tile": 117, "wood": 79}
_MVTEC_OBJECTS: dict[str, int | None] = {
    "bottle": 83,
    "cable": 150,
    "capsule": 132,
    "hazelnut": 110,
    "metal_nut": 115,
    "pill": 167,
    "screw": 160,
    "toothbrush": 42,
    "transistor": 100,
    "zipper": 151,
}
_TEXTURE_KINDS = (
    *("color", "cut", "hole", "metal_contamination", "thread", "bent", "broken", "glue", "fold", "poke", "crack"),
    *("glue_strip", "gray_stroke", "oil", "rough", "combined", "liquid", "scratch"),
)
_DTD_SYNTHETIC = (
    *("Blotchy_099", "Fibrous_183", "Marbled_078", "Matted_069", "Mesh_114", "Perforated_037", "Stratified_154"),
    *("Woven_001", "Woven_068", "Woven_104", "Woven_125", "Woven_127"),
)
_HKU_KINDS = ("brokenend", "hole", "knot", "knots", "nettingmultiple", "thickbar", "thinbar")


def _nowhere(data_set: str, folder: Path) -> Iterator[Found]:
    yield from ()


DATA_SETS: dict[str, DataSet] = {
    "mvtec_ad_textures": DataSet(
        "MVTec AD, textures",
        "https://www.mvtec.com/company/research/datasets/mvtec-ad",
        in_mvtec_layout(_MVTEC_TEXTURES, _TEXTURE_KINDS),
    ),
    "mvtec_ad_objects": DataSet(
        "MVTec AD, objects",
        "https://www.mvtec.com/company/research/datasets/mvtec-ad",
        in_mvtec_layout(_MVTEC_OBJECTS),
    ),
    "dtd_synthetic": DataSet(
        "DTD-Synthetic",
        "https://drive.google.com/drive/folders/10OyPzvI3H6llCZBxKxFlKWt1Pw1tkMK1 (Aota et al. 2023)",
        in_mvtec_layout(dict.fromkeys(_DTD_SYNTHETIC)),
    ),
    "woven_fabric_textures": DataSet(
        "Woven Fabric Textures",
        'with Bergmann et al., "Improving Unsupervised Defect Segmentation by Applying Structural Similarity to '
        'Autoencoders" (2019)',
        in_mvtec_layout({"texture_1": None, "texture_2": None}),
    ),
    "aitex": DataSet(
        "AITEX",
        "https://www.aitex.es/afid",
        _any_of(_aitex, _aitex_handed_on),
        "best F1 falls with the size of the defects, and many of these fabrics' take less than .1 % of the image",
    ),
    "magnetic_tile": DataSet(
        "MTD (magnetic tile defects)",
        "https://github.com/abin24/Magnetic-tile-defect-datasets.",
        _any_of(_mtd, _mtd_handed_on),
    ),
    "leaves": DataSet(
        "Coffee leaves",
        'with Esgario et al., "Deep learning for classification and severity estimation of coffee leaf biotic stress" '
        "(2020)",
        by_kinds(("miner", "rust", "phoma", "cercospora"), {"leaves": None, "leaf": None}),
    ),
    "hku_fabric": DataSet(
        "HKU patterned fabrics",
        "Industrial Automation Research Laboratory, The University of Hong Kong (Tsang, Ngan and Pang 2016)",
        by_kinds(_HKU_KINDS, {"dot": 30, "box": 26, "star": 25}),
        "masks drawn by others than the papers' authors, who do not show theirs",
    ),
    "dagm": DataSet(
        "DAGM 2007",
        "https://hci.iwr.uni-heidelberg.de/content/weakly-supervised-learning-industrial-optical-inspection",
        _dagm,
        "all classes; the paper chose seven and does not name them",
    ),
    "ksdd": DataSet("KSDD", "https://www.vicos.si/resources/kolektorsdd/", _ksdd),
    "ksdd2": DataSet("KSDD2", "https://www.vicos.si/resources/kolektorsdd2/", _ksdd2),
    "rsdds": DataSet(
        "RSDDs (rails)",
        'with Gan et al., "A Hierarchical Extractor-Based Visual Rail Surface Inspection System" (2017)',
        _any_of(_rsdds, _rsdds_handed_on),
        "the paper does not say which of its images it searched; all show a defect, and one whose middle shows none "
        "counts as normal",
    ),
    "pavement": DataSet(
        "Pavement",
        'with Wang et al., "Normal-Knowledge-Based Pavement Defect Segmentation Using Relevance-Aware and '
        'Cross-Reasoning Mechanisms" (2023)',
        _nowhere,
    ),
    "printing": DataSet("Printing", "made by the authors of GRNR; not published, as far as is known", _nowhere),
    "mtl_ad": DataSet(
        "MTL AD (leather)", "made by the authors of SBM and PFAM; not published, as far as is known", _nowhere
    ),
}
"""The data sets of the papers, by name."""
