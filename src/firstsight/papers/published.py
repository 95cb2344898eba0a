"""The figures that the papers print for methods that firstsight has, and for the best rival where that is of use.

Shares are in [0, 1], whatever the papers print; seconds are those of an image. What a paper shows as a curve without
numbers (SSDnet, Figures 3 to 8; GRNR, Figures 6 and 7) is not here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

PAPERS = {
    "fca": 'Ardelean and Weyrich, "High-Fidelity Zero-Shot Texture Anomaly Localization Using Feature Correspondence '
    'Analysis" (2024)',
    "grnr": 'Yao et al., "Global-Regularized Neighborhood Regression for Efficient Zero-Shot Texture Anomaly '
    'Detection" (2024)',
    "ssdnet": 'Moradi et al., "A Single Image Is All You Need: Zero-Shot Anomaly Localization Without Training Data" '
    "(2025)",
    "sbm_pfam": 'Yuan et al., "Anomaly Detection of Industrial Products Considering both Texture and Shape '
    'Information" (2023)',
    "blind": 'Ardelean and Weyrich, "Classifying Texture Anomalies at First Sight" (2024)',
}
"""The papers, by the names that they have here."""


@dataclass(frozen=True)
class Published:
    """A figure of a paper.

    paper: a key of `PAPERS`.
    table: as the paper numbers it.
    data_set: a key of `firstsight.papers.data_sets.DATA_SETS`; None: a cost on images of ``size`` pixels.
    texture: one of the data set's; None: the mean over all.
    method: as the paper calls it.
    metric: as in the table `metrics`, or ``seconds``.
    value: what is printed.
    preset: the key of `firstsight.papers.presets.PRESETS` by which firstsight computes it; None: it has no such method.
    detector: the entry of the preset's detectors.
    contrastive: whether kinds are found with the contrastive head.
    size: side of the image in pixels, of a cost.
    """

    paper: str
    table: str
    data_set: str | None
    texture: str | None
    method: str
    metric: str
    value: float
    preset: str | None = None
    detector: str | None = None
    contrastive: bool = False
    size: int | None = None


@dataclass(frozen=True)
class Method:
    """A method of a paper, and how firstsight computes it (`Published`)."""

    name: str
    preset: str | None = None
    detector: str | None = None
    contrastive: bool = False


def published_figures() -> tuple[Published, ...]:
    """Every figure, paper by paper and table by table."""
    return (*_fca(), *_grnr(), *_ssdnet(), *_sbm_pfam(), *_blind())


def _table(
    paper: str,
    table: str,
    data_set: str | None,
    metrics: Sequence[str],
    lines: Mapping[Method, Sequence[float]],
    *,
    texture: str | None = None,
    percent: bool = True,
    size: int | None = None,
) -> Iterator[Published]:
    """A line for each method, with a value for each metric."""
    for method, values in lines.items():
        for metric, value in zip(metrics, values, strict=True):
            share = round(value / 100, 6) if percent else value
            about = (method.preset, method.detector, method.contrastive, size)
            yield Published(paper, table, data_set, texture, method.name, metric, share, *about)


_FCA = Method("FCA", "fca", "fca")
_FCA_320 = Method("FCA, 320 pixels", "fca_320", "fca")
_FCA_320_KNN = Method("FCA, 320 pixels, k-NN", "fca_320", "fca_knn")
_AOTA = Method("Aota et al.", "fca_320", "aota")
_APRIL_GAN = Method("April-GAN")

_FCA_TABLE_1 = {
    "colors": ((46.51, 75.62), (50.43, 77.80), (58.62, 83.62), (63.30, 85.76)),
    "random_kernels": ((40.66, 73.33), (53.74, 80.48), (62.21, 85.89), (66.28, 87.62)),
    "steerable": ((64.21, 80.78), (70.64, 84.43), (73.08, 87.77), (71.75, 86.99)),
    "laws": ((53.97, 75.64), (68.47, 84.71), (74.48, 89.36), (75.33, 90.18)),
    "vgg19": ((61.96, 83.82), (73.17, 88.44), (77.40, 91.44), (81.08, 92.58)),
}
"""By extractor: moments, histogram, sample-weighted Wasserstein distance, FCA."""


def _fca() -> Iterator[Published]:
    # The paper does not say on which images Tables 1 and 2 were measured; MVTec AD is the only set of that many.
    statistics = {"Moments": "moments", "Histogram": "histogram", "SWW": "sample_weighted_wasserstein", "FCA": "fca"}
    for extractor, values in _FCA_TABLE_1.items():
        lines = {
            Method(f"{name}, {extractor}", f"fca_{extractor}", detector): pair
            for (name, detector), pair in zip(statistics.items(), values, strict=True)
        }
        yield from _table("fca", "Table 1", "mvtec_ad_textures", ("pro", "auroc"), lines)
    references = {
        "Random (1)": (60.95, 59.56, 62.01),
        "Random (3)": (67.04, 66.79, 69.57),
        "Random (10)": (72.99, 73.23, 75.91),
        "Random (100)": (74.55, 75.69, 78.45),
        "Global": (73.17, 77.40, 81.08),
    }
    entries = {"Histogram": "histogram", "SWW": "sample_weighted_wasserstein", "FCA": "fca"}
    for reference, triple in references.items():
        by_method = {}
        for (name, detector), value in zip(entries.items(), triple, strict=True):
            # Histograms have no other reference than the global one; 100 windows take too long for every day.
            ours = {"Random (1)": "_random1", "Random (3)": "_random3", "Random (10)": "_random10", "Global": ""}
            runs = reference in ours and (detector != "histogram" or reference == "Global")
            how = ("fca_vgg19", detector + ours[reference]) if runs else (None, None)
            by_method[Method(f"{name}, {reference}", *how)] = (value,)
        yield from _table("fca", "Table 2", "mvtec_ad_textures", ("pro",), by_method)
    of_mvtec = {
        Method("PatchCore", "normal_images", "patchcore"): (93.64, 97.52, 98.96),
        _APRIL_GAN: (92.57, 96.51, 97.61),
        _AOTA: (93.82, 97.47, 99.67),
        _FCA_320: (95.46, 97.74, 99.21),
        _FCA_320_KNN: (95.58, 97.77, 99.17),
        _FCA: (97.18, 98.73, 99.58),
    }
    yield from _table("fca", "Table 3", "mvtec_ad_textures", ("pro", "auroc", "image_auroc"), of_mvtec)
    by_set: dict[str, dict[Method, tuple[float, float, float]]] = {
        "dtd_synthetic": {
            _APRIL_GAN: (88.50, 95.32, 52.40),
            _AOTA: (94.32, 98.00, 65.96),
            _FCA_320: (94.71, 98.03, 69.87),
            _FCA_320_KNN: (95.93, 98.51, 71.79),
        },
        "woven_fabric_textures": {
            _APRIL_GAN: (84.97, 94.90, 71.51),
            _AOTA: (84.59, 96.11, 72.07),
            _FCA_320: (73.54, 93.09, 65.86),
            _FCA_320_KNN: (86.24, 96.19, 72.76),
            _FCA: (89.57, 98.26, 79.13),
        },
        "aitex": {
            _APRIL_GAN: (72.62, 85.90, 35.23),
            _AOTA: (87.11, 96.70, 61.09),
            _FCA_320: (91.07, 97.51, 62.39),
            _FCA_320_KNN: (91.24, 97.52, 62.62),
        },
    }
    for data_set, figures in by_set.items():
        yield from _table("fca", "Table 4", data_set, ("pro", "auroc", "f1_max"), figures)
    costs: dict[str, tuple[str, float, float]] = {
        "Moments": ("moments", 0.04, 0.05),
        "Histogram": ("histogram", 0.06, 0.08),
        "Aota et al.": ("aota", 1.10, 199.0),
        "FCA": ("fca", 0.71, 1.07),
        "FCA, k-NN": ("fca_knn", 3.97, 392.0),
    }
    for place, size in enumerate((320, 1024)):
        for name, (detector, *seconds) in costs.items():
            method = Method(name, f"costs_{size}", detector)
            yield from _cost("fca", "Table 5", method, seconds[place], size)


def _cost(paper: str, table: str, method: Method, seconds: float, size: int) -> Iterator[Published]:
    yield from _table(paper, table, None, ("seconds",), {method: (seconds,)}, percent=False, size=size)


_GRNR = Method("GRNR", "grnr", "grnr")
_PADIM = Method("PaDiM", "normal_images", "padim")
_PATCHCORE = Method("PatchCore", "normal_images", "patchcore")

_GRNR_TABLE_3: dict[str, tuple[str, str, tuple[float, ...]]] = {
    "carpet": ("mvtec_ad_textures", "carpet", (99.8, 98.9, 98.7, 99.0, 99.5, 98.4, 100, 99.1)),
    "grid": ("mvtec_ad_textures", "grid", (96.7, 94.9, 98.2, 98.7, 86.3, 95.8, 99.5, 98.0)),
    "leather": ("mvtec_ad_textures", "leather", (100, 99.1, 100, 99.3, 99.7, 99.1, 100, 99.2)),
    "tile": ("mvtec_ad_textures", "tile", (98.1, 91.2, 98.7, 95.6, 99.9, 92.7, 97.6, 90.5)),
    "wood": ("mvtec_ad_textures", "wood", (99.2, 93.6, 99.2, 95.0, 99.0, 95.8, 98.3, 94.2)),
    "pavement": ("pavement", "", (78.0, 86.7, 89.5, 90.8, 98.0, 88.8, 89.4, 93.2)),
    "rail": ("rsdds", "", (86.7, 83.1, 91.8, 98.7, 81.3, 93.8, 86.3, 91.7)),
}
"""By data set: PaDiM, PatchCore (both with all normal images), April-GAN and GRNR, each of images and of pixels."""


def _grnr() -> Iterator[Published]:
    closed_set: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
        "ksdd": ((85.4, 13.9), (91.1, 8.6), (84.5, 12.5)),
        "ksdd2": ((98.6, 54.1), (94.0, 51.1), (97.7, 49.2)),
        "hku_fabric": ((99.2, 63.2), (94.1, 35.7), (98.5, 57.0)),
        "dagm": ((97.3, 53.5), (90.3, 43.1), (96.2, 55.2)),
    }
    for data_set, (patchcore, april_gan, grnr) in closed_set.items():
        # Their PatchCore learns from normal images that only KSDD2 and DAGM set apart.
        lines = {Method("PatchCore"): patchcore, _APRIL_GAN: april_gan, _GRNR: grnr}
        yield from _table("grnr", "Table II", data_set, ("auroc", "f1_max"), lines)
    for data_set, texture, values in _GRNR_TABLE_3.values():
        methods = (_PADIM, _PATCHCORE, _APRIL_GAN, _GRNR)
        pairs = {method: values[2 * place : 2 * place + 2] for place, method in enumerate(methods)}
        yield from _table("grnr", "Table III", data_set, ("image_auroc", "auroc"), pairs, texture=texture or None)
    for number, pair in enumerate(((97.3, 51.0), (90.5, 47.4), (95.9, 55.2), (76.5, 13.3)), start=1):
        texture = f"pattern {number}"
        yield from _table("grnr", "Table IV", "printing", ("auroc", "f1_max"), {_GRNR: pair}, texture=texture)
    yield from _cost("grnr", "Table V", Method("PatchCore, all normal images"), 0.06, 320)
    yield from _cost("grnr", "Table V", Method("GRNR", "costs_320", "grnr"), 0.08, 320)
    for radius, auroc, seconds in ((1, 96.2, 0.08), (2, 96.7, 0.17), (3, 96.8, 0.29)):
        detector = "grnr" if radius == 1 else f"grnr_m{radius}"
        method = Method(f"GRNR, m = {radius}", "grnr", detector)
        yield from _table("grnr", "Table VI", "mvtec_ad_textures", ("auroc",), {method: (auroc,)})
        yield from _cost("grnr", "Table VI", replace(method, preset="costs_320"), seconds, 320)


def _ssdnet() -> Iterator[Published]:
    by_set: dict[str, tuple[Any, ...]] = {
        "dot": ("hku_fabric", "ssdnet_fabric", (0.57, 0.96), (0.38, 0.65), (0.21, 0.80), (0.19, 0.75), (0.67, 0.98)),
        "grid": (
            "mvtec_ad_textures",
            "ssdnet_grid",
            (0.34, 0.92),
            (0.02, 0.47),
            (0.21, 0.88),
            (0.45, 0.97),
            (0.60, 0.99),
        ),
    }
    names = {
        "PG-LSR": "pg_lsr",
        "GLCM": "glcm",
        "WinCLIP": None,
        "Spectral residual": "spectral_residual",
        "SSDnet": "ssdnet",
    }
    for texture, (data_set, preset, *values) in by_set.items():
        lines = {
            Method(name, preset if detector else None, detector): pair
            for (name, detector), pair in zip(names.items(), values, strict=True)
        }
        metrics = ("average_precision_by_image", "auroc_by_image")
        yield from _table("ssdnet", "Table 1", data_set, metrics, lines, texture=texture, percent=False)


_SBM_PFAM_TABLE_1: dict[str, dict[str, tuple[float, ...]]] = {
    "mvtec_ad_textures": {
        "carpet": (99.5, 99.1, 99.7, 99, 98.4, 98.8, 99.2, 98.7, 99.5, 98.7, 99.5, 99.1),
        "grid": (94.2, 97, 95.6, 97.4, 95.9, 96.8, 98, 97.6, 99.2, 97.8, 99.6, 98.6),
        "leather": (100, 99.3, 100, 99.1, 100, 99.1, 100, 99, 100, 99.1, 100, 99.5),
        "tile": (97.4, 95.5, 98.2, 94.9, 100, 96.1, 100, 95.4, 99.4, 95.8, 100, 97.1),
        "wood": (99.3, 95.7, 99.2, 95, 98.9, 93.4, 99.2, 95.1, 99.7, 94.8, 100, 96.4),
        "": (98.08, 97.28, 98.54, 97.08, 98.64, 96.84, 99.28, 97.16, 99.56, 97.24, 99.82, 98.14),
    },
    "mvtec_ad_objects": {
        "bottle": (99.9, 98.5, 100, 98.7, 100, 98.4, 100, 98.8, 100, 98.6, 100, 98.6),
        "cable": (87.8, 97.0, 91.8, 98.0, 99.0, 98.8, 99.2, 98.7, 99.8, 98.7, 99.9, 98.6),
        "capsule": (92.7, 98.8, 92.2, 99.0, 98.2, 98.8, 97.4, 99.2, 97.3, 98.9, 98.2, 98.9),
        "hazelnut": (96.4, 98.5, 96.2, 98.6, 100, 98.7, 100, 98.9, 100, 98.6, 100, 98.6),
        "metal_nut": (98.9, 98.2, 99.2, 98.6, 99.4, 98.9, 98.6, 99.3, 100, 98.8, 99.6, 98.7),
        "pill": (93.9, 96.6, 94.7, 96.8, 92.4, 98, 92.5, 97.0, 97.9, 98.6, 98.7, 98.2),
        "screw": (84.5, 98.8, 87.2, 98.9, 96.0, 98.9, 96.2, 99.5, 97.3, 99.0, 97.3, 98.9),
        "toothbrush": (94.2, 99.1, 99.7, 99.2, 93.3, 98.8, 100, 99.0, 100, 98.8, 99.7, 98.9),
        "transistor": (97.6, 97.6, 94.3, 98.7, 100, 98.1, 97.3, 97.8, 100, 98.3, 100, 98.4),
        "zipper": (88.2, 98.6, 91.0, 98.8, 98.2, 98.3, 96.4, 99.0, 99.6, 98.6, 99.7, 98.8),
        "": (93.41, 98.17, 94.55, 98.29, 97.65, 98.57, 97.76, 98.72, 99.19, 98.69, 99.31, 98.66),
    },
    "mtl_ad": {
        "ostrich": (72.7, 74.8, 73.7, 75.6, 84.8, 82.3, 86.9, 80.8, 91.3, 86.7, 93.2, 86.4),
        "lychee": (87.9, 91.6, 87.5, 92.7, 75.2, 89.4, 73.9, 89.9, 87.7, 93.9, 93.6, 94.8),
        "pearlfish": (71.4, 82.9, 73.4, 84.9, 75.3, 87.5, 81.2, 90.9, 79.5, 91.3, 82.8, 91.8),
        "": (77.33, 83.10, 78.20, 84.40, 78.43, 86.40, 80.67, 87.20, 86.17, 90.63, 89.86, 91.00),
    },
}
"""Image and pixel AUROC of PaDiM, PatchCore and CFA, each without and with the paper's modules; "" is the average."""

SBM_PFAM_METHODS = {"PaDiM": "padim", "PatchCore": "patchcore", "CFA": "cfa"}
"""The methods of that table, and the detectors."""


def _sbm_pfam() -> Iterator[Published]:
    for data_set, lines in _SBM_PFAM_TABLE_1.items():
        # Textures had PFAM alone, the others SBM and PFAM.
        modules = "_pfam" if data_set == "mvtec_ad_textures" else "_sbm_pfam"
        methods = [
            Method(name + added, "normal_images", detector + suffix)
            for name, detector in SBM_PFAM_METHODS.items()
            for added, suffix in (("", ""), (" + theirs", modules))
        ]
        for texture, values in lines.items():
            pairs = {method: values[2 * place : 2 * place + 2] for place, method in enumerate(methods)}
            metrics = ("image_auroc", "auroc")
            yield from _table("sbm_pfam", "Table 1", data_set, metrics, pairs, texture=texture or None)
    seconds = {"PaDiM": (0.503, 0.507), "CFA": (0.129, 0.131)}
    for name, (without, with_modules) in seconds.items():
        detector = SBM_PFAM_METHODS[name]
        yield from _cost("sbm_pfam", "Table 2", Method(name, "costs_224", detector), without, 224)
        theirs = Method(f"{name} + theirs", "costs_224", f"{detector}_pfam")
        yield from _cost("sbm_pfam", "Table 2", theirs, with_modules, 224)


BLIND_SETS = {"mvtec_ad_textures": "MVTec textures", "magnetic_tile": "MTD", "leaves": "Leaves"}
"""The data sets of Table 1 of the paper on blind localization, and what it calls them."""

_BLIND_TABLE_1: dict[Method, tuple[float, ...]] = {
    Method("Sohn et al.", "blind", "weighted_average"): (90.84, 67, 71, 66.51, 18, 35, 75.25, 46, 63),
    Method("only FCA", "blind", "only_fca"): (96.92, 76, 78, 72.15, 18, 51, 48.10, 33, 44),
    Method("FCA + CL", "blind", "only_fca", contrastive=True): (96.92, 81, 81, 72.15, 17, 54, 48.10, 53, 71),
    Method("FCA + VAE", "blind", "blind"): (97.50, 77, 78, 75.53, 14, 51, 77.20, 51, 59),
    Method("full", "blind", "blind", contrastive=True): (97.50, 79, 81, 75.53, 22, 67, 77.20, 71, 83),
}


def _blind() -> Iterator[Published]:
    for place, data_set in enumerate(BLIND_SETS):
        lines = {method: values[3 * place : 3 * place + 3] for method, values in _BLIND_TABLE_1.items()}
        # The true number of kinds is given; F1 is that of the matched labels.
        yield from _table("blind", "Table 1", data_set, ("pro", "nmi_oracle", "matched_f1_oracle"), lines)


PUBLISHED = published_figures()
"""Every figure that is known here."""
