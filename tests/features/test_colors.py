import torch

from firstsight.features import load_extractor


def test_the_features_are_the_image() -> None:
    images = torch.rand(2, 3, 7, 1, generator=torch.Generator().manual_seed(0))
    for border in ("reflect", "paper"):
        features = load_extractor("colors", border=border)(images)
        assert list(features) == ["rgb"]
        assert torch.equal(features["rgb"], images)


def test_the_features_do_not_change_with_the_image() -> None:
    images = torch.zeros(1, 3, 4, 4)
    features = load_extractor("colors")(images)["rgb"]
    images[:] = 1
    assert features.max() == 0
