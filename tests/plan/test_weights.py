"""Weights are looked for before any job starts."""

from pathlib import Path

import pytest

from firstsight.errors import FirstsightError
from firstsight.features.downloads import why_no_answer
from firstsight.plan.paths import paths_below
from planning import plan

NETWORK = {"extractor": "resnet18"}


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torch's empty folder of downloads, on a machine without a network."""
    why_no_answer.cache_clear()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    # Nobody listens there.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    return tmp_path / "torch/hub/checkpoints"


def test_weights_that_cannot_be_downloaded_are_one_line(folder: Path, offline: Path) -> None:
    with pytest.raises(FirstsightError) as caught:
        plan(folder, features=NETWORK)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(
        "config: collections.pile.features.weights: "
        f"the weights resnet18-f37072fd.pth of resnet18 are not in {offline}, nor to be had ("
    )
    for way in ("a file in features.weights", "put it into that folder", "or use efficientnet_lite0", "or laws"):
        assert way in text


def test_the_collection_says_whose_weights_are_missing(folder: Path, offline: Path) -> None:
    piles = {
        "one": {"path": str(folder / "pile")},
        "two": {"path": str(folder / "pile"), "features": {"extractor": "vgg19"}},
    }
    with pytest.raises(FirstsightError, match=r"^config: collections\.two\.features\.weights: .* vgg19") as caught:
        plan(folder, collections=piles)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("offline")
def test_features_that_are_there_need_no_weights(folder: Path, downloaded: Path) -> None:
    planned = plan(folder, features=NETWORK, images_per_job=3)
    for name in downloaded.iterdir():
        name.unlink()
    pattern = paths_below(folder / "results").features
    first, *others = (
        Path(pattern.format(collection="pile", features=planned.features_folder, shard=shard))
        for shard in planned.shards
    )
    first.parent.mkdir(parents=True)
    first.write_bytes(b"")
    with pytest.raises(FirstsightError, match="nor to be had"):
        plan(folder, features=NETWORK, images_per_job=3)
    for store in others:
        store.write_bytes(b"")
    assert plan(folder, features=NETWORK, images_per_job=3).features_folder == planned.features_folder
