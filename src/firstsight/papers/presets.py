"""The settings of the papers: of each method (``preset: paper``), and of each of their experiments.

Where a paper is silent, the setting is firstsight's own, and `docs/methods.md` says so. SSDnet's weights and layers of
VGG19 are in the detector's docstring.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULTS = "defaults"
"""Stands for no preset: firstsight's own settings."""

_PATCHES: dict[str, Any] = {"layers": ["layer2"], "level_borders": False}
_NORMAL: dict[str, Any] = {"layers": ["layer1", "layer2", "layer3"], "sigma": 4.0}

PAPER_SETTINGS: dict[str, dict[str, Any]] = {
    # T = 9 is for images at their own size; 3 where they are reduced to 320 pixels.
    "fca": {**_PATCHES, "patch_size": 9, "sigma_p": 3.0, "sigma_s": 1.0, "reference": "median", "border": "paper"},
    "sample_weighted_wasserstein": {**_PATCHES, "patch_size": 25, "sigma_w": 6.0, "reference": "median"},
    "histogram": {**_PATCHES, "patch_size": 25, "sigma": 6.0, "bins": 10},
    "moments": {**_PATCHES, "patch_size": 25, "sigma": 6.0, "powers": 4},
    "aota": {**_PATCHES, "patch_size": 3, "sigma": 100.0, "neighbours": 400},
    "grnr": {
        "layers": ["layer2", "layer3"],
        "patch_size": 3,
        "neighbour_radius": 1,
        "neighbour_step": 1,
        "global_cells": 40,
        "eta": 5.0,
        "sigma": 4.0,
    },
    "blind": {
        **_PATCHES,
        "correspondence": "residuals",
        "neighbours": False,
        "patch_size": 7,
        "sigma_p": 3.0,
        "sigma_s": 1.0,
    },
    "padim": _NORMAL,
    "patchcore": {**_NORMAL, "layers": ["layer2", "layer3"]},
    "cfa": _NORMAL,
    "spectral_residual": {"border": "paper"},
    "glcm": {"image_size": 256},
    "pg_lsr": {"image_size": 256},
    # The weights of the losses are those for periodic textures; the paper sets them for each data set. Whether parts of
    # the image stay hidden once the network has learned, it does not say: here they do, as when it learned.
    "ssdnet": {
        "image_size": 256,
        "w_rec": 1.0,
        "w_perc": 0.0,
        "alpha_perc": 0.0,
        "epochs": 10,
        "stopping_loss": 1e-4,
        "patch_sizes": [16],
        "min_max": True,
        "permuted": "output",
        "inference": "masked",
        "noise": 0.01,
    },
}
"""What ``preset: paper`` stands for in an entry of ``detectors``, by method."""


@dataclass(frozen=True)
class Preset:
    """An experiment of a paper.

    extractor: a key of `firstsight.features.registry.EXTRACTORS`; None: its methods read the image itself.
    features: further keys of ``features``.
    crop: share of the frame that the paper cuts from each side before it measures.
    detectors: entries of ``detectors``, by the names that `Published.detector` has.
    beside: for some of these, the method whose figure with firstsight's own settings stands beside.
    note: what firstsight does otherwise whatever the data set.
    by_kind: settings that the paper changes for images of one kind (in small letters): {kind: {entry: settings}}.
    """

    extractor: str | None
    features: Mapping[str, Any]
    crop: float
    detectors: Mapping[str, Mapping[str, Any]]
    beside: Mapping[str, str]
    note: str = ""
    by_kind: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)


def _same(*methods: str) -> dict[str, str]:
    return {method: method for method in methods}


def _of(method: str, **settings: Any) -> dict[str, Any]:
    return {"method": method, "preset": "paper", **settings}


_WIDE = "wide_resnet50_2"
_MIDDLE_OF_320 = 0.1
"""Of 320 pixels the middle 256 count."""

_KNN_WINDOWS = 400
"""As many neighbours as Aota et al. take: with other statistics, their system is FCA's k-NN (Section 3.3)."""


def _first_experiment(extractor: str, layers: list[str]) -> Preset:
    """A column of FCA's Tables 1 and 2: images of 256 pixels, features of the same size, T = 25."""
    methods = ("moments", "histogram", "sample_weighted_wasserstein", "fca")
    detectors = {method: _of(method, layers=layers, patch_size=25) for method in methods}
    if extractor == "vgg19":
        for method in ("sample_weighted_wasserstein", "fca"):
            for count in (1, 3, 10):
                random = _of(method, layers=layers, patch_size=25, reference="random", reference_count=count)
                detectors[f"{method}_random{count}"] = random
    features = {"image_size": 256, "border": "paper"}
    return Preset(extractor, features, _MIDDLE_OF_320, detectors, {}, "features of stride 4" * (extractor == "laws"))


def _patch_statistics(patch_size: int) -> dict[str, dict[str, Any]]:
    """The methods of FCA's Table 5."""
    return {
        "moments": _of("moments", patch_size=patch_size),
        "histogram": _of("histogram", patch_size=patch_size),
        "aota": _of("aota"),
        "fca": _of("fca", patch_size=patch_size),
        "fca_knn": _of("fca", patch_size=patch_size, reference="knn", reference_count=_KNN_WINDOWS),
    }


def _costs(size: int, detectors: Mapping[str, Mapping[str, Any]]) -> Preset:
    """What the papers' tables of times are about: images of a size, whatever they show."""
    return Preset(_WIDE, {"image_size": size, "border": "paper"}, 0.0, detectors, {})


PRESETS: dict[str, Preset] = {
    "fca": Preset(_WIDE, {"image_size": None, "border": "paper"}, _MIDDLE_OF_320, {"fca": _of("fca")}, _same("fca")),
    "fca_320": Preset(
        _WIDE,
        {"image_size": 320, "border": "paper"},
        _MIDDLE_OF_320,
        {
            "fca": _of("fca", patch_size=3),
            "fca_knn": _of("fca", patch_size=3, reference="knn", reference_count=_KNN_WINDOWS),
            "aota": _of("aota"),
        },
        _same("fca", "aota"),
        "the paper does not say how many neighbours k-NN takes: 400 here, as many as Aota et al.",
    ),
    "fca_colors": _first_experiment("colors", ["rgb"]),
    "fca_random_kernels": _first_experiment("random_kernels", ["random5"]),
    "fca_steerable": _first_experiment("steerable", ["bands"]),
    "fca_laws": _first_experiment("laws", ["energy"]),
    "fca_vgg19": _first_experiment("vgg19", ["features.0", "features.2"]),
    "grnr": Preset(
        _WIDE,
        {"image_size": 320, "border": "paper"},
        _MIDDLE_OF_320,
        {
            "grnr": _of("grnr"),
            "grnr_m2": _of("grnr", neighbour_radius=2),
            "grnr_m3": _of("grnr", neighbour_radius=3),
        },
        _same("grnr"),
        "the paper does not say which threshold its F1 has: the best one here; from one small network to another the "
        "AUROC moves by up to .12",
    ),
    "ssdnet_fabric": Preset(
        None,
        {},
        0.0,
        {
            "ssdnet": _of("ssdnet", w_rec=0.0, w_perc=1.0, epochs=1, stopping_loss=-100.0),
            "pg_lsr": _of("pg_lsr"),
            "glcm": _of("glcm"),
            "spectral_residual": _of("spectral_residual"),
        },
        _same("ssdnet", "pg_lsr", "glcm", "spectral_residual"),
        "SSDnet scores knots by the perceptual term, as in the paper: chosen by kind, so not blind. Patches are not "
        "enlarged for VGG19",
        {"knots": {"ssdnet": {"alpha_perc": 1.0}}},
    ),
    "ssdnet_grid": Preset(
        None,
        {},
        0.0,
        {
            "ssdnet": _of("ssdnet"),
            "pg_lsr": _of("pg_lsr"),
            "glcm": _of("glcm"),
            "spectral_residual": _of("spectral_residual"),
        },
        _same("ssdnet", "pg_lsr", "glcm", "spectral_residual"),
    ),
    # Resized to 256 pixels, of which the middle 224 count.
    "normal_images": Preset(
        _WIDE,
        {"image_size": 256, "border": "paper"},
        0.0625,
        {
            f"{method}{'_sbm' * sbm}{'_pfam' * pfam}": _of(method, sbm=sbm, pfam=pfam)
            for method in ("padim", "patchcore", "cfa")
            for sbm, pfam in ((False, False), (False, True), (True, True))
        },
        _same("padim", "patchcore", "cfa"),
    ),
    # The authors' code sets a border of 5 cells, 40 of 512 pixels, to zero.
    "blind": Preset(
        _WIDE,
        {"image_size": 512, "border": "paper"},
        5 / 64,
        {
            "only_fca": _of("blind", correspondence="features"),
            "blind": _of("blind"),
            "weighted_average": _of("blind", correspondence="none", neighbours=True, neighbour_share=1.0)
            | {"local_density": False},
        },
        {"only_fca": "fca", "blind": "blind"},
        "the schedule of the autoencoder and the temperature of descriptors are firstsight's",
    ),
    "costs_224": _costs(
        224,
        {f"{method}{'_pfam' * pfam}": _of(method, pfam=pfam) for method in ("padim", "cfa") for pfam in (False, True)},
    ),
    "costs_320": _costs(
        320,
        _patch_statistics(3)
        | {f"grnr{suffix}": _of("grnr", neighbour_radius=m) for m, suffix in ((1, ""), (2, "_m2"), (3, "_m3"))},
    ),
    "costs_1024": _costs(1024, _patch_statistics(9)),
}
"""The experiments of the papers, by name."""
