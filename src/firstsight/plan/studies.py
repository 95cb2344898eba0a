"""The studies that a run can make besides its own detectors: which detectors each of them compares."""

from collections.abc import Mapping

from firstsight.detectors.registry import DETECTORS
from firstsight.plan.settings import DetectorEntry

ABLATION: dict[str, DetectorEntry] = {
    "only_fca": DetectorEntry.of("blind", {"correspondence": "features", "neighbours": False}),
    "fca_autoencoder": DetectorEntry.of("blind", {"correspondence": "residuals", "neighbours": False}),
    "pooled_reference": DetectorEntry.of("blind", {"correspondence": "pooled", "neighbours": False}),
    "nearest_cells": DetectorEntry.of("blind", {"correspondence": "none"}),
    "weighted_average": DetectorEntry.of(
        "blind", {"correspondence": "none", "neighbour_share": 1.0, "local_density": False}
    ),
    "blind": DetectorEntry.of("blind", {}),
}
"""Blind localization and what it is made of. The published ablation has FCA with and without the autoencoder, each with
and without the contrastive head; ``weighted_average`` stands for Sohn et al. (2023), whose weights are the distances to
the nearest cells of all other images."""


NORMAL_METHODS = ("padim", "patchcore", "cfa")

REFERENCE_TABLE: dict[str, DetectorEntry] = {
    f"{method}{'_sbm' * sbm}{'_pfam' * pfam}": DetectorEntry.of(method, {"sbm": sbm, "pfam": pfam})
    for method in NORMAL_METHODS
    for sbm in (False, True)
    for pfam in (False, True)
}
"""Methods that learn from normal images, each without and with SBM and PFAM (Yuan et al. 2023, Tables 1 and 2)."""


def study_choices(configured: Mapping[str, DetectorEntry]) -> dict[str, dict[str, DetectorEntry]]:
    """The detectors of each study, by name, with the settings that the config gives their methods.

    ``compare`` has every detector there is, and any others that the config names; the other studies change some of the
    settings.
    """
    own = {name: entry.given for name, entry in configured.items() if entry.method_of(name) == name}

    def changed(choices: Mapping[str, DetectorEntry]) -> dict[str, DetectorEntry]:
        return {
            name: DetectorEntry.of(entry.method_of(name), own.get(entry.method_of(name), {}) | entry.given)
            for name, entry in choices.items()
        }

    every = {method: DetectorEntry.of(method, {}) for method in DETECTORS}
    return {
        "ablation": changed(ABLATION),
        "reference_table": changed(REFERENCE_TABLE),
        "compare": every | dict(configured),
    }
