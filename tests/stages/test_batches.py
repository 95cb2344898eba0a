"""Which images go through an extractor together, and what happens where they do not fit or do not go."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from firstsight.errors import FirstsightError
from firstsight.features import EXTRACTORS, Extractor, load_extractor
from firstsight.stages.batches import LEAST_PIXELS, extract_each, fitting_extraction, plan_batches
from firstsight.stages.devices import halved_to_fit

WITHOUT_WEIGHTS = [name for name, spec in EXTRACTORS.items() if not spec.needs_weights]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([(4, 5)] * 5, [2, 2, 1]),
        ([(4, 5), (5, 4), (5, 4), (4, 5)], [1, 2, 1]),
        ([(9, 9), (9, 9), (4, 5)], [1, 1, 1]),
        ([None, (4, 5), None, None, (4, 5), None, (4, 5)], [6, 1]),
        ([None, None], [2]),
        ([(1, 1)] * 50 + [None], [41, 10]),
    ],
)
def test_batches_are_runs_of_one_size(sizes: list[tuple[int, int] | None], expected: list[int]) -> None:
    batches = plan_batches(sizes, 41)
    assert [len(batch) for batch in batches] == expected
    assert [position for batch in batches for position in batch] == list(range(len(sizes)))


@pytest.mark.parametrize("name", WITHOUT_WEIGHTS)
@pytest.mark.parametrize("size", [(31, 24), (17, 40)])
def test_features_of_a_batch_are_those_of_its_images(name: str, size: tuple[int, int]) -> None:
    extractor = load_extractor(name)
    images = [draw(3, *size, seed=1), draw(1, *size, seed=2).expand(3, -1, -1), draw(3, *size, seed=3)]
    for image, found in zip(images, extract_each(extractor, images), strict=True):
        assert isinstance(found, dict)
        alone = extractor(image[None])
        assert list(found) == list(alone)
        for layer, features in alone.items():
            scale = float(features.abs().max())
            torch.testing.assert_close(found[layer], features[0], rtol=1e-5, atol=1e-5 * scale)


def test_only_the_image_that_does_not_go_is_set_aside() -> None:
    images = [draw(3, 20, 24, seed=seed) for seed in range(4)]
    images[2][0, 3, 3] = 7
    extractor = load_extractor("laws")
    found = extract_each(extractor, images)
    assert [isinstance(each, FirstsightError) for each in found] == [False, False, True, False]
    assert "[0, 1]" in str(found[2])
    for index in (0, 1, 3):
        torch.testing.assert_close(found[index]["energy"], extractor(images[index][None])["energy"][0])  # type: ignore


def test_a_file_that_was_replaced_by_one_of_another_size_goes_alone() -> None:
    images = [draw(3, 20, 24), draw(3, 30, 24)]
    found = extract_each(load_extractor("colors"), images)
    assert [tuple(each["rgb"].shape) for each in found] == [(3, 20, 24), (3, 30, 24)]  # type: ignore[index]


def small_gpu(pixels: int, calls: list[tuple[int, ...]]) -> Extractor:
    """The extractor ``colors`` on a device whose memory takes so many pixels."""
    extractor = load_extractor("colors")

    def network(images: Tensor) -> dict[str, Tensor]:
        calls.append(tuple(images.shape))
        if images.numel() > 3 * pixels:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return extractor.network(images)

    return replace(extractor, network=network)


def no_cpu() -> Extractor:
    raise AssertionError("it fits on the GPU")


def test_of_a_batch_that_does_not_fit_half_is_computed_and_that_is_kept() -> None:
    lines: list[str] = []
    calls: list[tuple[int, ...]] = []
    extract = fitting_extraction(small_gpu(300_000, calls), no_cpu, lines.append)
    images = draw(16, 3, 256, 256)
    torch.testing.assert_close(extract(images)["rgb"], images)
    assert lines == [
        "out of GPU memory with 1,048,576 pixels at once: trying 524,288",
        "out of GPU memory with 524,288 pixels at once: trying 262,144",
    ]
    assert [shape[0] for shape in calls] == [16, 8, 4, 4, 4, 4]
    calls.clear()
    torch.testing.assert_close(extract(images[:7])["rgb"], images[:7])
    assert [shape[0] for shape in calls] == [4, 3]
    assert len(lines) == 2


def test_of_a_large_image_smaller_tiles_are_computed() -> None:
    lines: list[str] = []
    calls: list[tuple[int, ...]] = []
    extract = fitting_extraction(small_gpu(70_000, calls), no_cpu, lines.append)
    image = draw(1, 3, 600, 700)
    torch.testing.assert_close(extract(image)["rgb"], image)
    assert len(lines) == round(math.log2(1024**2 / LEAST_PIXELS))
    assert lines[-1] == "out of GPU memory with 131,072 pixels at once: trying 65,536"
    assert max(shape[2] * shape[3] for shape in calls[-6:]) <= LEAST_PIXELS


def test_what_fits_in_no_part_is_done_on_the_cpu_and_the_gpu_tried_again() -> None:
    lines: list[str] = []
    calls: list[tuple[int, ...]] = []
    extract = fitting_extraction(small_gpu(5000, calls), partial(load_extractor, "colors"), lines.append)
    image = draw(1, 3, 100, 120)
    torch.testing.assert_close(extract(image)["rgb"], image)
    assert lines[-1] == "out of GPU memory with 65,536 pixels at once: trying on the CPU"
    tried, told = len(calls), len(lines)
    extract(image)
    assert (len(calls), len(lines)) == (tried + 1, told + 1), "not every amount once more"
    small = draw(1, 3, 60, 70)
    torch.testing.assert_close(extract(small)["rgb"], small)
    assert len(lines) == told + 1


@pytest.mark.parametrize(
    ("fits", "expected", "tried"), [(100, 100, [100]), (30, 25, [100, 50, 25]), (12, 12, [100, 50, 25, 12])]
)
def test_the_amount_is_halved(fits: int, expected: int, tried: list[int]) -> None:
    asked: list[int] = []
    lines: list[str] = []
    compute = runs_out_above(fits, asked)
    assert halved_to_fit(compute, 100, least=12, unit="pixels", note=lines.append) == (str(expected), expected)
    assert asked == tried
    assert len(lines) == len(tried) - 1


def test_the_least_amount_may_run_out_and_other_errors_pass() -> None:
    asked: list[int] = []
    lines: list[str] = []
    with pytest.raises(torch.OutOfMemoryError):
        halved_to_fit(runs_out_above(5, asked), 100, least=30, unit="pixels", note=lines.append)
    assert asked == [100, 50, 30]
    assert lines == [
        "out of GPU memory with 100 pixels: trying 50",
        "out of GPU memory with 50 pixels: trying 30",
    ]
    with pytest.raises(ZeroDivisionError):
        halved_to_fit(lambda amount: 1 // 0, 100, least=30, unit="pixels", note=lines.append)


def runs_out_above(most: int, asked: list[int]) -> Callable[[int], str]:
    def compute(amount: int) -> str:
        asked.append(amount)
        if amount > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return str(amount)

    return compute


def test_an_image_that_cannot_be_cut_is_not_tried_in_smaller_tiles() -> None:
    """One that sees the whole image and does not fit is computed on the CPU at once."""
    extractor = load_extractor("laws")
    sees_all = {layer: replace(place, reach=None) for layer, place in extractor.spec.layers.items()}
    on_cpu = replace(extractor, spec=replace(extractor.spec, layers=sees_all))
    attempts = []

    def out_of_memory(images: Tensor) -> dict[str, Tensor]:
        attempts.append(tuple(images.shape))
        raise torch.OutOfMemoryError("no memory")

    extract = fitting_extraction(replace(on_cpu, network=out_of_memory), lambda: on_cpu, lambda _: None)
    images = draw(2, 3, 640, 640)
    maps = extract(images)
    assert attempts == [(2, 3, 640, 640), (1, 3, 640, 640)]
    assert torch.equal(maps["energy"], torch.cat([on_cpu(images[:1])["energy"], on_cpu(images[1:])["energy"]]))
