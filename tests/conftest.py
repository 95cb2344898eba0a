"""Fixtures that every test may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

LONGEST_FIRST = ("slurm", "faults", "resume", "blind", "demo", "growth", "studies", "references")
"""Runs of the workflow that take minutes. The first mostly waits for its queue, while another process computes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole runs of the workflow first, the longest before others: no process is left with a long one at the end."""
    ranks = {f"test_{name}.py": rank for rank, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ("workflow" not in item.path.parts, ranks.get(item.path.name, len(ranks))))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden numbers, real images and real weights beside the repository; skips where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the folder ../shared (golden numbers, real images, weights) is not here")
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Steps of small tensors lose far more than they gain when threads wait for each other on a busy machine."""
    # Most tests need no torch, whose import takes seconds.
    import torch  # noqa: PLC0415

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
