import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from firstsight.clustering.contrastive import (
    ContrastiveSettings,
    Head,
    apply_head,
    contrastive_loss,
    load_head,
    train_head,
)
from firstsight.clustering.contrastive_pairs import (
    StepCells,
    draw_step,
    pool_by_threshold,
    pool_by_weight,
    rank_neighbours,
)
from firstsight.errors import FirstsightError
from firstsight.settings_model import read_settings
from oracles.contrastive import slow_head, slow_loss, slow_neighbours

SETTINGS = ContrastiveSettings(
    cells="threshold",
    hidden=16,
    outputs=12,
    epochs=4,
    anchor_cells=6,
    other_cells=8,
    counterexamples=2,
    cells_per_image=20,
)
WEIGHTED = SETTINGS.model_copy(update={"cells": "weighted"})
CHANNELS = 6
KINDS = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]


pytestmark = pytest.mark.usefixtures("one_thread")


def changed(**values: Any) -> ContrastiveSettings:
    return SETTINGS.model_copy(update=values)


@dataclass
class Image:
    features: np.ndarray
    anomaly_map: np.ndarray
    reads: list = field(default_factory=list)

    def read(self) -> tuple[NDArray[Any], NDArray[Any]]:
        self.reads.append(1)
        return self.features, self.anomaly_map


def collection(
    kinds: Sequence[int | None] = KINDS, shape: tuple[int, int] = (9, 7), dtype: type[Any] = np.float32
) -> tuple[list[Image], NDArray[np.float64]]:
    """Noise with a square of one kind of anomaly in each image, and noisy descriptors of the kinds; kind None: good."""
    rng = np.random.default_rng(0)
    directions = np.eye(CHANNELS) * 3
    images, descriptors = [], []
    for kind in kinds:
        features, anomaly_map = rng.normal(size=(CHANNELS, *shape)), rng.uniform(size=shape)
        if kind is not None:
            features[:, 2:5, 2:5] += directions[kind][:, None, None]
            anomaly_map[2:5, 2:5] += 5
        images.append(Image(features.astype(dtype), anomaly_map.astype(np.float32)))
        descriptors.append(rng.normal(scale=0.3, size=CHANNELS) + (0 if kind is None else directions[kind]))
    return images, np.array(descriptors)


def train(
    images: list[Image],
    descriptors: NDArray[np.float64],
    settings: ContrastiveSettings = SETTINGS,
    *,
    temperature: float = 0.5,
    threshold: float = 3.0,
    **keywords: Any,
) -> Head | None:
    return train_head(images, descriptors, settings, temperature=temperature, threshold=threshold, **keywords)


def trained(
    images: list[Image], descriptors: NDArray[np.float64], settings: ContrastiveSettings = SETTINGS, **keywords: Any
) -> Head:
    head = train(images, descriptors, settings, **keywords)
    assert head is not None
    return head


def same(first: Head, second: Head) -> bool:
    return all(torch.equal(value, second.state()[name]) for name, value in first.state().items())


@pytest.mark.parametrize(
    "counts", [(2, 3, 4, 5, 6), (1, 1, 1, 1, 1), (2, 0, 3, 2, 2), (2, 2, 3, 0, 0), (2, 0, 3, 0, 0)]
)
@pytest.mark.parametrize("margin", [0.5, 3.0])
def test_the_loss_equals_the_definition(counts: tuple[int, int, int, int, int], margin: float) -> None:
    rng = np.random.default_rng(1)
    cells = [rng.normal(size=(count, 5)) for count in counts]
    cells = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in cells]
    found = contrastive_loss(StepCells(*map(torch.tensor, cells)), margin)
    assert found.item() == pytest.approx(slow_loss(cells, margin), rel=1e-9)


def test_the_loss_of_equal_outputs_and_of_none_has_finite_gradients() -> None:
    for count in (0, 3):
        outputs = torch.zeros(count, 4, requires_grad=True)
        contrastive_loss(StepCells(*[outputs] * 5), 0.5).backward()
        assert outputs.grad is not None
        assert torch.isfinite(outputs.grad).all()


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 20])
@pytest.mark.parametrize("positives", [1, 3])
@pytest.mark.parametrize("ties", [False, True])
def test_neighbours_equal_the_definition(count: int, positives: int, ties: bool) -> None:
    rng = np.random.default_rng([count, positives])
    descriptors = rng.integers(0, 2, (count, 2)).astype(float) if ties else rng.normal(size=(count, 4))
    nearest, farther = rank_neighbours(descriptors, positives)
    assert (nearest.tolist(), farther.tolist()) == slow_neighbours(descriptors.tolist(), positives)


def test_images_that_are_the_same_are_no_neighbours_of_themselves() -> None:
    nearest, farther = rank_neighbours(np.ones((6, 3)), 3)
    for image in range(6):
        both = nearest[image].tolist() + farther[image].tolist()
        assert image not in both
        assert len(set(both)) == len(both)


@pytest.mark.parametrize("shape", [(9, 7), (1, 5), (66, 64)])
def test_an_image_is_mapped_cell_by_cell(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    head = Head(torch.randn(5), torch.rand(5) + 0.5, 8, 7, torch.Generator().manual_seed(3))
    features = torch.randn(5, *shape)
    found = apply_head(head, features)
    assert found.shape == (7, *shape)
    assert found.dtype == torch.float32
    state = {name: value.numpy().astype(np.float64) for name, value in head.state().items()}
    np.testing.assert_allclose(found.numpy(), slow_head(state, features.numpy()), atol=1e-5)


def test_a_head_survives_being_saved(tmp_path: Path) -> None:
    images, descriptors = collection()
    head = trained(images, descriptors)
    torch.save(head.state(), tmp_path / "head")
    again = load_head(torch.load(tmp_path / "head", weights_only=True))
    features = torch.from_numpy(images[0].features)
    assert torch.equal(apply_head(head, features), apply_head(again, features))


@pytest.mark.parametrize("state", [{}, {"mean": 3}, {"second.weight": torch.zeros(3)}])
def test_what_is_no_state_of_a_head_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(FirstsightError, match="not the state of a contrastive head"):
        load_head(state)


def test_a_state_with_weights_of_other_shapes_is_refused() -> None:
    images, descriptors = collection()
    state = trained(images, descriptors).state()
    with pytest.raises(FirstsightError, match="not the state of a contrastive head"):
        load_head(state | {"first.bias": torch.zeros(3)})


def test_features_of_other_channels_are_refused() -> None:
    head = Head(torch.zeros(5), torch.ones(5), 8, 7, torch.Generator())
    with pytest.raises(FirstsightError, match=r"\(4, 2, 2\) do not match a head for \(5, h, w\)"):
        apply_head(head, torch.zeros(4, 2, 2))


def test_pooled_cells_are_of_their_image_and_their_kind() -> None:
    images, _ = collection([0, 1, None], dtype=np.float16)
    pool = pool_by_threshold(images, 3.0, 5, torch.Generator())
    assert list(pool.anomalous) == [0, 1]
    assert list(pool.normal) == [0, 1, 2]
    for index, image in enumerate(images):
        is_anomalous = image.anomaly_map > 3
        for kind, mask in ((pool.anomalous, is_anomalous), (pool.normal, ~is_anomalous)):
            if index not in kind:
                assert not mask.any()
                continue
            assert kind[index].shape == (5, CHANNELS)
            assert kind[index].dtype == torch.float16
            candidates = image.features[:, mask].T.tolist()
            found = kind[index].tolist()
            assert all(cell in candidates for cell in found)
            assert len(set(map(tuple, found))) == 5


def test_weighted_cells_are_drawn_as_often_as_their_weights_say() -> None:
    features = np.arange(6, dtype=np.float16).reshape(1, 2, 3)
    anomaly_map = np.array([[0.0, 1.0, 2.0], [0.5, -9.0, 1.5]], dtype=np.float32)
    pool = pool_by_weight([Image(features, anomaly_map)], 0.7, 50_000, torch.Generator().manual_seed(1))
    assert pool.channels == 1
    assert not pool.normal
    assert pool.anomalous[0].dtype == torch.float16
    found = np.bincount(pool.anomalous[0][:, 0].int().numpy(), minlength=6) / 50_000
    expected = [math.exp(score / 0.7) for score in anomaly_map.ravel()]
    np.testing.assert_allclose(found, np.array(expected) / sum(expected), atol=0.01)


@pytest.mark.parametrize("temperature", [0.0, 1e-300])
def test_without_temperature_the_highest_scores_alone_are_drawn(temperature: float) -> None:
    features = np.arange(4, dtype=np.float32).reshape(1, 2, 2)
    image = Image(features, np.array([[0.0, 3.0], [3.0, 2.9]]))
    pool = pool_by_weight([image], temperature, 100, torch.Generator())
    assert set(pool.anomalous[0][:, 0].tolist()) == {1, 2}


def test_a_score_at_the_threshold_is_normal() -> None:
    image = Image(np.zeros((2, 1, 2), np.float32), np.array([[1.0, 1.5]]))
    pool = pool_by_threshold([image], 1.0, 256, torch.Generator())
    assert len(pool.anomalous[0]) == len(pool.normal[0]) == 1
    assert not pool_by_threshold([image], 1.5, 256, torch.Generator()).anomalous


def test_statistics_are_those_of_all_cells_and_a_constant_channel_keeps_its_unit() -> None:
    images, _ = collection()
    for image in images:
        image.features[3] = 0.1
    pool = pool_by_threshold(images, 3.0, 1000, torch.Generator())
    cells = np.concatenate([image.features.reshape(CHANNELS, -1) for image in images], axis=1).astype(np.float64)
    deviation = cells.std(axis=1)
    deviation[3] = 1
    mean, scale = pool.statistics()
    np.testing.assert_allclose(mean.numpy(), cells.mean(axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scale.numpy(), deviation, rtol=1e-5)


def test_the_cells_of_a_step_come_from_the_images_that_were_asked_for() -> None:
    images, _ = collection([0, 0, 1, 1, None])
    for index, image in enumerate(images):
        image.features[0] = index
    pool = pool_by_threshold(images, 3.0, 20, torch.Generator())
    cells = draw_step(pool, 0, [1, 2], [3, 4], anchor_cells=30, other_cells=200, generator=torch.Generator())
    assert [len(part) for part in cells] == [30, 30, 200, 200, 200]
    origins = [set(part[:, 0].tolist()) for part in cells]
    assert origins == [{0}, {0}, {1, 2}, {1, 2, 3, 4}, {3}]


def test_a_kind_of_cell_that_no_image_has_gives_no_cells() -> None:
    images, _ = collection([0, 1])
    pool = pool_by_threshold(images, -1.0, 20, torch.Generator())
    cells = draw_step(pool, 0, [1], [1], anchor_cells=3, other_cells=4, generator=torch.Generator())
    assert [tuple(part.shape) for part in cells] == [(3, 6), (0, 6), (4, 6), (0, 6), (4, 6)]


@pytest.mark.parametrize("cells", ["weighted", "threshold"])
def test_training_brings_alike_anomalies_together(cells: Literal["weighted", "threshold"]) -> None:
    images, descriptors = collection()
    lines: list[str] = []
    settings = changed(cells=cells, epochs=10, learning_rate=0.003)
    head = trained(images, descriptors, settings, note=lines.append)
    losses = [float(line.split()[-1]) for line in lines]
    assert len(losses) == 10
    assert losses[-1] < 0.5 * losses[0]
    # Fresh noise: what was learnt is not the cells themselves.
    rng = np.random.default_rng(9)
    kinds = np.repeat([0, 1, 2], 50)
    fresh = rng.normal(size=(150, CHANNELS)) + 3 * np.eye(CHANNELS)[kinds]
    outputs = apply_head(head, torch.from_numpy(fresh.T[:, None].astype(np.float32)))[:, 0].T.numpy()
    distances = ((outputs[:, None] - outputs) ** 2).sum(axis=2)
    own = kinds[:, None] == kinds
    assert distances[own].mean() < 0.5 * distances[~own].mean()


@pytest.mark.parametrize("settings", [SETTINGS, WEIGHTED])
def test_the_same_seed_gives_the_same_head_and_no_global_state_takes_part(settings: ContrastiveSettings) -> None:
    images, descriptors = collection()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = trained(images, descriptors, settings)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    assert same(first, trained(images, descriptors, settings))
    assert not same(first, trained(images, descriptors, settings.model_copy(update={"seed": 1})))


def test_every_image_is_read_once_and_no_more_than_the_most_images() -> None:
    images, descriptors = collection()
    train(images, descriptors)
    assert [len(image.reads) for image in images] == [1] * 12
    train(images, descriptors, changed(most_images=7))
    assert sum(len(image.reads) for image in images) == 12 + 7


@pytest.mark.parametrize("anomalous", [0, 1, 4])
def test_too_few_images_with_anomalies_give_no_head(anomalous: int) -> None:
    images, descriptors = collection([*[0] * anomalous, *[None] * 6])
    lines: list[str] = []
    assert train(images, descriptors, note=lines.append) is None
    assert lines == [f"only {anomalous} images have anomalous cells: no contrastive head is trained"]


def test_weighted_cells_need_no_threshold_but_five_images() -> None:
    images, descriptors = collection([None] * 5)
    assert train(images, descriptors, WEIGHTED) is not None
    assert train(images[:4], descriptors[:4], WEIGHTED) is None


def test_no_images_give_no_head() -> None:
    assert train([], np.empty((0, 4))) is None


@pytest.mark.parametrize("kinds", [[0, 0, 1, 1, 2], [0, 1, None, 1, 2, 0, None]])
def test_five_images_with_anomalies_are_enough(kinds: list[int | None]) -> None:
    images, descriptors = collection(kinds)
    head = trained(images, descriptors)
    assert all(torch.isfinite(value).all() for value in head.state().values())


@pytest.mark.parametrize("settings", [SETTINGS, WEIGHTED])
@pytest.mark.parametrize("threshold", [-1.0, 3.0])
def test_images_that_are_all_the_same_give_a_finite_head(settings: ContrastiveSettings, threshold: float) -> None:
    images, _ = collection([0])
    head = trained(images * 6, np.zeros((6, 4)), settings, threshold=threshold)
    mapped = apply_head(head, torch.from_numpy(images[0].features))
    assert torch.isfinite(mapped).all()


@pytest.mark.parametrize("settings", [SETTINGS, WEIGHTED])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e4])
def test_constant_features_give_a_finite_head(settings: ContrastiveSettings, value: float) -> None:
    images, descriptors = collection()
    for image in images:
        image.features[:] = value
        image.anomaly_map[:] = 5
    head = trained(images, descriptors, settings)
    assert torch.isfinite(apply_head(head, torch.full((CHANNELS, 3, 2), value))).all()


def test_images_may_differ_in_size() -> None:
    images, descriptors = collection()
    images[3] = Image(images[3].features[:, :6], images[3].anomaly_map[:6])
    assert train(images, descriptors) is not None


def spoil(image: Image, **changes: NDArray[np.float64]) -> Image:
    return Image(changes.get("features", image.features), changes.get("anomaly_map", image.anomaly_map))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"anomaly_map": np.zeros((3, 3))}, r"\(6, 9, 7\) do not match a map \(3, 3\)"),
        ({"features": np.zeros((6, 0, 7)), "anomaly_map": np.zeros((0, 7))}, "not empty"),
        ({"features": np.zeros((9, 7))}, r"\(9, 7\) do not match"),
        ({"features": np.zeros((5, 9, 7))}, "image 2 has 5 channels, not 6"),
        ({"features": np.full((6, 9, 7), np.nan)}, "image 2 hold"),
        ({"anomaly_map": np.full((9, 7), np.inf)}, "image 2 hold"),
    ],
)
def test_bad_images_are_named(changes: dict[str, NDArray[np.float64]], message: str) -> None:
    images, descriptors = collection()
    images[2] = spoil(images[2], **changes)
    with pytest.raises(FirstsightError, match=message):
        train(images, descriptors)


def test_bad_descriptors_and_thresholds_are_refused() -> None:
    images, descriptors = collection()
    for bad in (descriptors[:-1], descriptors[0], np.full_like(descriptors, np.nan)):
        with pytest.raises(FirstsightError, match="12 images need as many finite descriptors"):
            train(images, bad)
    with pytest.raises(FirstsightError, match="nan, which is not finite"):
        train(images, descriptors, threshold=float("nan"))
    with pytest.raises(FirstsightError, match=r"0 or more and finite, not -0\.1"):
        train(images, descriptors, temperature=-0.1)


def test_training_that_diverges_is_told() -> None:
    images, descriptors = collection()
    for image in images:
        image.features[:] *= np.float32(1e30)
    with pytest.raises(FirstsightError, match="diverged in epoch 1"):
        train(images, descriptors, changed(learning_rate=1e38))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden", 0),
        ("epochs", 1.5),
        ("positives", True),
        ("learning_rate", 0.0),
        ("margin", float("nan")),
        ("weight_decay", -0.1),
        ("weight_decay", float("inf")),
        ("cells", "both"),
        ("most_images", 4),
        ("seed", -1),
    ],
)
def test_bad_settings_are_named(name: str, value: Any) -> None:
    with pytest.raises(FirstsightError, match=f"{name}: .* (should be|is not one of) "):
        read_settings(ContrastiveSettings, {name: value})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_head_can_be_trained_on_a_gpu() -> None:
    images, descriptors = collection()
    head = trained(images, descriptors, device="cuda")
    mapped = apply_head(head, torch.from_numpy(images[0].features).cuda())
    assert mapped.is_cuda
    again = apply_head(load_head(head.state()), torch.from_numpy(images[0].features))
    torch.testing.assert_close(mapped.cpu(), again, atol=1e-3, rtol=0)
