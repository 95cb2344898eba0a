"""The studies that a run can make besides its own detectors: which detectors each of them compares."""

from collections.abc import Mapping

from firstsight.detectors.registry import DETECTORS
from firstsight.plan.settings import DetectorChoice

ABLATION: dict[str, DetectorChoice] = {
    "only_fca": DetectorChoice("blind", {"correspondence": "features", "neighbours": False}),
    "fca_autoencoder": DetectorChoice("blind", {"correspondence": "residuals", "neighbours": False}),
    "pooled_reference": DetectorChoice("blind", {"correspondence": "pooled", "neighbours": False}),
    "nearest_cells": DetectorChoice("blind", {"correspondence": "none"}),
    "weighted_average": DetectorChoice("blind", {"correspondence": "none", "neighbour_share": 1.0}),
    "blind": DetectorChoice("blind", {}),
}
"""Blind localization and what it is made of. The published ablation has FCA with and without the autoencoder, each with
and without the contrastive head; ``weighted_average`` stands for Sohn et al. (2023), whose weights are the distances to
the nearest cells of all other images."""


NORMAL_METHODS = ("padim", "patchcore", "cfa")

REFERENCE_TABLE: dict[str, DetectorChoice] = {
    f"{method}{'_sbm' * sbm}{'_pfam' * pfam}": DetectorChoice(method, {"sbm": sbm, "pfam": pfam})
    for method in NORMAL_METHODS
    for sbm in (False, True)
    for pfam in (False, True)
}
"""Methods that learn from normal images, each without and with SBM and PFAM (Yuan et al. 2023, Tables 1 and 2)."""


def study_choices(configured: Mapping[str, DetectorChoice]) -> dict[str, dict[str, DetectorChoice]]:
    """The detectors of each study, by name, with the settings that the config gives their methods.

    ``compare`` has every detector there is, and any others that the config names; the other studies change some of the
    settings.
    """
    own = {name: choice.settings for name, choice in configured.items() if choice.method == name}

    def changed(choices: Mapping[str, DetectorChoice]) -> dict[str, DetectorChoice]:
        return {
            name: DetectorChoice(choice.method, {**own.get(choice.method, {}), **choice.settings})
            for name, choice in choices.items()
        }

    every = {method: DetectorChoice(method, {}) for method in DETECTORS}
    return {
        "ablation": changed(ABLATION),
        "reference_table": changed(REFERENCE_TABLE),
        "compare": every | dict(configured),
    }
