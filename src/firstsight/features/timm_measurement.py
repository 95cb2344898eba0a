"""The process that measures a network of timm or finds its weights, for `firstsight.features.timm_models`.

It is given a question as JSON, and prints the answer as JSON in the last line: what was asked for, or ``error`` (one
line) and what it is ``about`` (``weights`` or ``extractor``).
"""

import difflib
import json
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import constants, hf_hub_download

from firstsight.errors import FirstsightError, WeightsError
from firstsight.features.downloads import why_no_answer
from firstsight.features.registry import Layer
from firstsight.features.state_dicts import load_state_dict
from firstsight.features.timm_geometry import (
    Network,
    Probe,
    measure_offset,
    measure_reach,
    measure_smallest_side,
    measure_stride,
)
from firstsight.features.timm_models import PREFIX
from firstsight.features.timm_networks import build, layer_names, make_network, require_fitting
from firstsight.features.weights import Weights

CPU = torch.device("cpu")
_FILES = ("model.safetensors", "pytorch_model.bin")


def find_weights(name: str) -> Path:
    """The file of a model's own weights in huggingface_hub's cache or torch's; it is downloaded if it is not there.

    Raises:
        WeightsError: timm knows of no weights, or they cannot be downloaded.
        FirstsightError: timm has no such model.
    """
    model = _require_model(name)
    configuration = timm.get_pretrained_cfg(model)
    if configuration is None or not configuration.hf_hub_id:
        raise WeightsError(
            f"timm has no weights of {name} that could be downloaded from its hub: give a file in features.weights"
        )
    repository, _, revision = configuration.hf_hub_id.partition("@")
    files = (configuration.hf_hub_filename,) if configuration.hf_hub_filename else _FILES
    reason = ""
    for offline in (True, False):
        # The hub's client would try for a minute.
        if not offline and (silence := why_no_answer(constants.ENDPOINT)):
            reason = silence
            break
        for file in files:
            try:
                path = hf_hub_download(repository, file, revision=revision or None, local_files_only=offline)
            except Exception as error:
                # Whatever the client and the network raise: the user gets one line of it.
                reason = str(error).strip().partition("\n")[0]
            else:
                return Path(path).absolute()
    raise WeightsError(
        f"the weights of {name} are not in {constants.HF_HUB_CACHE}, nor to be had ({reason}): give a file in "
        "features.weights, or copy that folder from a machine that has downloaded them, or use efficientnet_lite0, "
        "whose weights are installed, or laws, which needs none"
    )


def measure(name: str, weights: Path) -> dict[str, Any]:
    """What planning needs to know of a network, see `firstsight.features.timm_models.timm_geometry`.

    Args:
        name: ``timm/<model>``.
        weights: the file of its weights.

    Raises:
        WeightsError: weights that cannot be read, or are not those of this model.
        FirstsightError: timm has no such model, or none of its layers can be used.
    """
    _require_model(name)
    try:
        state_dict, _ = load_state_dict(Weights(name, file=weights))
    except FirstsightError as error:
        raise WeightsError(str(error)) from error
    require_fitting(name, state_dict)
    random = make_network(name, None, {})
    names, multiples = layer_names(random), [entry["reduction"] for entry in random.feature_info.info]
    transformer = names[0].startswith("block")
    layers: dict[str, Layer] = {}
    network: Network | None = None
    sees_all = False
    for layer, multiple in zip(names, multiples, strict=True):
        if network is None or not transformer:
            network = build(
                name, names if transformer else (layer,), border="reflect", state_dict=state_dict, device=CPU
            )
            smallest = measure_smallest_side(network, multiple)
        if smallest is not None:
            place = _measure_layer(network, layer, multiple, smallest, sees_all=sees_all)
            layers |= {layer: place} if place else {}
            # Deeper layers see at least as far.
            sees_all = sees_all or (place is not None and place.reach is None)
    if not layers:
        raise FirstsightError(f"{name} cannot be used: the maps of its layers do not divide an image evenly")
    return {
        "layers": {layer: asdict(place) for layer, place in layers.items()},
        "side_multiple": math.lcm(*(place.stride for place in layers.values())),
        **_choices({layer: place.stride for layer, place in layers.items()}, transformer=transformer),
    }


def _measure_layer(network: Network, layer: str, multiple: int, smallest: int, *, sees_all: bool) -> Layer | None:
    """The geometry of a layer; None if its cells have no whole stride."""
    height = -(-smallest // multiple) * multiple
    with torch.inference_mode():
        sides = [height + count * multiple for count in (0, 1, 4)]
        maps = {side: network(torch.rand(1, 3, side, side))[layer] for side in sides}
    stride = measure_stride(maps)
    if stride is None:
        return None
    probe = Probe(network, layer, stride, multiple, height)
    reach = None if sees_all else measure_reach(probe)
    offset = round(2 * measure_offset(probe, spread=reach is None)) / 2
    if reach is not None:
        reach += math.ceil(abs(offset - (stride - 1) / 2))
    return Layer(stride, offset=offset, smallest_side=smallest, reach=reach)


def _choices(strides: Mapping[str, int], *, transformer: bool) -> dict[str, list[str]]:
    """The layers that are read if none are requested, for each kind of method, given the strides of all."""
    if transformer:
        names = list(strides)
        depth = len(names)
        chosen = list(dict.fromkeys([names[depth // 3 - (depth >= 3)], names[2 * depth // 3 - (depth >= 2)]]))
        return {"default_layers": chosen, "context_layers": chosen, "normal_layers": chosen}
    # The deepest of each stride.
    at = {stride: layer for layer, stride in strides.items()}

    def of(*wanted: int) -> list[str]:
        return [at[stride] for stride in wanted if stride in at] or list(at.values())[:2]

    return {"default_layers": of(4, 8), "context_layers": of(8, 16), "normal_layers": of(4, 8, 16)}


def _require_model(name: str) -> str:
    """The model's name in timm; a FirstsightError names those that are close, if there is none of this name."""
    model = name.removeprefix(PREFIX)
    architecture, _, tag = model.partition(".")
    if not timm.is_model(architecture):
        close = difflib.get_close_matches(architecture, timm.list_models(), n=3)
        hint = f"did you mean {' or '.join(PREFIX + one for one in close)}?" if close else "see timm.list_models()"
        raise FirstsightError(f"timm has no model {architecture!r}; {hint}")
    tags = [one.partition(".")[2] for one in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        known = f"there are {', '.join(tags)}" if tags else "it has none"
        raise FirstsightError(f"timm has no weights {tag!r} of {architecture}; {known}")
    return model


def _answer(question: Mapping[str, str]) -> dict[str, Any]:
    try:
        if question["do"] == "find_weights":
            return {"file": os.fspath(find_weights(question["name"]))}
        return measure(question["name"], Path(question["weights"]))
    except WeightsError as error:
        return {"error": str(error), "about": "weights"}
    except FirstsightError as error:
        return {"error": str(error), "about": "extractor"}
    except Exception as error:
        # A network of timm may fail in any way; the user of a run gets one line of it.
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        return {"error": f"{question['name']} cannot be used ({reason})", "about": "extractor"}


if __name__ == "__main__":
    print(json.dumps(_answer(json.loads(sys.argv[1]))))
