"""CFA: what is learned, from what, and how training goes on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from firstsight.detectors.cfa import detect_cfa, fit_cfa
from firstsight.detectors.cfa_network import CfaNetwork, cfa_score
from firstsight.detectors.cfa_training import CHECKPOINT, CfaSettings, held_out_cells
from firstsight.errors import FirstsightError
from firstsight.settings_model import read_settings
from firstsight.storage.geometry import Geometry
from oracles.normal_images import Layers, write_store
from real_textures import Tile, auroc_of, known_and_searched, write_tiles

STRIDES = {"fine": 4, "coarse": 8}
SHORT = CfaSettings(centres=12, candidates=200, epochs=4, cells_per_image=64, sigma=0.0)


def features(seed: int, height: int = 8, width: int = 10) -> Layers:
    random = np.random.default_rng(seed)
    return {
        "fine": random.normal(size=(4, height, width)),
        "coarse": random.normal(size=(6, -(-height // 2), -(-width // 2))),
    }


def fit(path: Path, images: dict[str, Layers], settings: CfaSettings, lines: list[str] | None = None) -> Any:
    store = path.with_suffix(".zarr")
    if not store.exists():
        write_store(store, images, STRIDES)
    note = (lambda line: None) if lines is None else lines.append
    return fit_cfa([store], list(STRIDES), settings, folder=path, device="cpu", note=note)


def detect(layers: Layers, settings: CfaSettings, model: Mapping[str, Any]) -> torch.Tensor:
    height, width = (4 * side for side in layers["fine"].shape[1:])
    places = {layer: Geometry(height, width, height, width, stride, 0.0) for layer, stride in STRIDES.items()}
    tensors = {layer: torch.from_numpy(values).float() for layer, values in layers.items()}
    return detect_cfa(tensors, places, settings, model, "searched")


@pytest.mark.parametrize("pfam", [False, True])
def test_the_map_holds_the_scores_of_the_network(tmp_path: Path, pfam: bool) -> None:
    settings = SHORT.model_copy(update={"pfam": pfam, "channels": 5})
    model = fit(tmp_path / "a", {"a": features(0), "b": features(1, 5, 7)}, settings)
    assert (model["pfam"] is not None) == pfam
    assert model["channels"] == [14 if pfam else 10, 5]
    torch.save(model, tmp_path / "model.pt")
    model = torch.load(tmp_path / "model.pt", weights_only=True)
    found = detect(features(2, 6, 9), settings, model)
    assert found.shape == (6, 9)
    assert found.dtype == torch.float32
    assert torch.isfinite(found).all()
    if not pfam:
        network = CfaNetwork(10, 5, None, torch.Generator())
        network.load_state_dict(model["state"])
        places = {layer: Geometry(24, 36, 24, 36, stride, 0.0) for layer, stride in STRIDES.items()}
        searched = {layer: torch.from_numpy(values).float() for layer, values in features(2, 6, 9).items()}
        expected = cfa_score(network(searched, places), model["centres"]).detach().view(6, 9)
        torch.testing.assert_close(found, expected)


def test_training_makes_cells_of_the_texture_more_alike_than_others(tmp_path: Path) -> None:
    known = {str(seed): features(seed) for seed in range(4)}
    settings = SHORT.model_copy(update={"epochs": 12})
    lines: list[str] = []
    model = fit(tmp_path / "a", known, settings, lines)
    losses = [float(line.split()[-1]) for line in lines if line.startswith("epoch")]
    assert min(losses) < 0.8 * losses[0]
    strange = {layer: 4 * values for layer, values in features(9).items()}
    assert detect(strange, settings, model).mean() > 2 * detect(features(8), settings, model).mean()


def test_killed_training_goes_on_to_the_same_end(tmp_path: Path) -> None:
    known = {str(seed): features(seed) for seed in range(3)}
    whole = fit(tmp_path / "a", known, SHORT)
    lines: list[str] = []

    def die(items: Any, total: int) -> Any:
        for number, item in enumerate(items):
            if number == 2:
                raise KeyboardInterrupt
            yield item

    store = write_store(tmp_path / "b.zarr", known, STRIDES)
    with pytest.raises(KeyboardInterrupt):
        fit_cfa([store], list(STRIDES), SHORT, folder=tmp_path / "b", device="cpu", note=lines.append, progress=die)
    resumed = fit(tmp_path / "b", known, SHORT, lines)
    assert "training goes on after epoch 2" in lines
    for name, value in whole["state"].items():
        torch.testing.assert_close(resumed["state"][name], value, rtol=0, atol=0)


@pytest.mark.parametrize(("damage", "says"), [(True, "is damaged"), (False, "is of other settings or images")])
def test_a_checkpoint_of_something_else_is_not_used(tmp_path: Path, damage: bool, says: str) -> None:
    known = {"a": features(0)}
    expected = fit(tmp_path / "a", known, SHORT)
    path = tmp_path / "a" / CHECKPOINT
    settings = SHORT if damage else SHORT.model_copy(update={"learning_rate": 0.01})
    if damage:
        path.write_bytes(path.read_bytes()[:-200])
    lines: list[str] = []
    found = fit(tmp_path / "a", known, settings, lines)
    assert any(says in line for line in lines)
    same = all(torch.equal(found["state"][name], value) for name, value in expected["state"].items())
    assert same == damage


def test_training_stops_where_nothing_gets_better(tmp_path: Path) -> None:
    lines: list[str] = []
    fit(
        tmp_path / "a",
        {"a": features(0)},
        SHORT.model_copy(update={"epochs": 40, "patience": 1, "learning_rate": 0.5}),
        lines,
    )
    assert any("training stops" in line for line in lines)


def test_one_image_of_one_cell_and_constant_images(tmp_path: Path) -> None:
    one = {"fine": np.ones((4, 1, 1)), "coarse": np.ones((6, 1, 1))}
    model = fit(tmp_path / "a", {"a": one}, SHORT)
    assert len(model["centres"]) == 1
    assert torch.isfinite(detect(features(0), SHORT, model)).all()
    constant = {"fine": np.full((4, 4, 4), 7.0), "coarse": np.zeros((6, 2, 2))}
    model = fit(tmp_path / "b", {"a": constant, "b": constant}, SHORT)
    assert torch.isfinite(detect(constant, SHORT, model)).all()


def test_one_cell_in_seventeen_is_held_out() -> None:
    assert held_out_cells(40).nonzero()[:, 0].tolist() == [0, 17, 34]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"centres": 0}, "centres: 0"),
        ({"channels": 0}, "channels: 0"),
        ({"patience": 0}, "patience: 0"),
        ({"learning_rate": 0.0}, "learning_rate: 0"),
        ({"sigma": -1.0}, "sigma: -1"),
    ],
)
def test_senseless_settings_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        read_settings(CfaSettings, given, ("detectors", "cfa"))


def test_what_good_gravel_does_not_have_is_found(tiles: Mapping[str, Tile], tmp_path: Path) -> None:
    layers, settings = ("stage2", "stage3"), CfaSettings(centres=60, candidates=1000, epochs=4, channels=64)
    known, searched = known_and_searched(tiles)
    store = write_tiles(tmp_path / "known.zarr", known, layers)
    model = fit_cfa([store], layers, settings, folder=tmp_path, device="cpu", note=lambda line: None)
    maps = {image: detect_cfa(*tile.of(layers), settings, model, image) for image, tile in searched.items()}
    assert auroc_of(tiles, maps, layers[0]) > 0.9
