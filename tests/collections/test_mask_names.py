"""Which files are masks, and of which images, by their names alone."""

import pytest

from firstsight.collections.mask_names import Pairs, find_masks, is_mask_folder, masks_of_pattern, pair_masks


def never(name: str) -> bool:
    raise AssertionError(f"{name} was opened")


def found(*names: str) -> dict[str, tuple[str, ...]]:
    """Names of masks by image, told without opening a file; each mask must have an image of its own."""
    masks = find_masks(names, never)
    pairs = pair_masks([name for name in names if name not in masks], masks)
    assert pairs == Pairs(pairs.masks, {}, ())
    return pairs.masks


@pytest.mark.parametrize(
    "folder",
    ["ground_truth", "GroundTruth", "Ground Truth", "gt", "masks", "Mask", "train_masks", "Mask_images", "Label"],
)
def test_folders_of_masks(folder: str) -> None:
    assert is_mask_folder(folder)
    assert found("images/a.png", f"{folder}/a.png") == {"images/a.png": (f"{folder}/a.png",)}


@pytest.mark.parametrize("folder", ["masked", "face_mask_fabric", "labelled", "images", "test", "good", ""])
def test_folders_of_other_things(folder: str) -> None:
    assert not is_mask_folder(folder)


@pytest.mark.parametrize(
    "mask",
    ["7_mask", "7_GT", "7-label", "7.seg", "7_mask1", "7_mask_2", "7_1_mask", "mask_7", "gt_7", "7_ground_truth"],
)
def test_masks_beside_their_images(mask: str) -> None:
    expected = {"a/7.jpg": (f"a/{mask}.png",)}
    assert found("a/7.jpg", "a/8.jpg", f"a/{mask}.png") == expected
    assert found("a/7.jpg", f"a/masks/{mask}.png") == {"a/7.jpg": (f"a/masks/{mask}.png",)}


@pytest.mark.parametrize(
    "names",
    [
        ["a.png", "b.png", "weight.png"],
        ["a_label.png", "b_label.png", "c_mask.png"],
        ["a.png", *(f"{number}_label.png" for number in range(4)), "a_label.png"],
        ["masks/a.png", "masks/b.png"],
    ],
    ids=["no words", "no image", "too few images", "nothing but masks"],
)
def test_what_is_not_taken_for_a_mask(names: list[str]) -> None:
    assert find_masks(names, never) == set()


def test_the_same_name_with_another_suffix_is_a_mask_if_it_looks_like_one() -> None:
    names = ["a.jpg", "b.jpg", "c.jpg", "a.png", "b.png"]
    assert find_masks(names, lambda name: True) == {"a.png", "b.png"}
    assert find_masks(names, lambda name: name != "b.png") == set()
    assert find_masks([*names, "d.png"], never) == set(), "d.png has no image, so png are images"
    assert find_masks([*names, "a_mask.png"], never) == {"a_mask.png"}


def test_several_masks_for_one_image() -> None:
    expected = {"test/cut/7.png": ("ground_truth/cut/7/000.png", "ground_truth/cut/7/001.png")}
    assert found("test/cut/7.png", *expected["test/cut/7.png"]) == expected
    assert found("7.png", "masks/7_0.png", "masks/7_1.png") == {"7.png": ("masks/7_0.png", "masks/7_1.png")}
    assert found("7.png", "masks/7/7.png", "masks/7/8.png") == {"7.png": ("masks/7/7.png", "masks/7/8.png")}


def test_a_mask_goes_to_the_nearest_image_of_its_name() -> None:
    names = ["test/cut/0.png", "test/hole/0.png", "test/good/0.png", "ground_truth/cut/0_mask.png"]
    assert found(*names) == {"test/cut/0.png": ("ground_truth/cut/0_mask.png",)}
    # A kind called as an image: the mask is that of the image in it.
    names = ["test/1/1.png", "test/1/2.png", "ground_truth/1/1.png", "ground_truth/1/2.png"]
    assert found(*names) == {names[0]: (names[2],), names[1]: (names[3],)}
    # Masks that are numbered within the folder of their image.
    names = ["0.png", "1.png", "masks/0/0.png", "masks/1/0.png"]
    assert found(*names) == {names[0]: (names[2],), names[1]: (names[3],)}
    # The number belongs to the name where there is an image of that name.
    names = ["7.png", "7_1.png", "masks/7_0.png", "masks/7_1.png"]
    assert found(*names) == {names[0]: (names[2],), names[1]: (names[3],)}
    assert found("a/7.jpg", "a/7.jpg_mask.png") == {"a/7.jpg": ("a/7.jpg_mask.png",)}
    assert found("a/7.jpg", "masks/a/7.jpg.png") == {"a/7.jpg": ("masks/a/7.jpg.png",)}
    assert found("A.PNG", "masks/a.png") == {"A.PNG": ("masks/a.png",)}
    names = ["train/images/0.png", "val/images/0.png", "train/masks/0.png", "val/masks/0.png"]
    assert found(*names) == {names[0]: (names[2],), names[1]: (names[3],)}
    names = ["train_images/0.png", "val_images/0.png", "train_masks/0.png", "val_masks/0.png"]
    assert found(*names) == {names[0]: (names[2],), names[1]: (names[3],)}


def test_masks_that_fit_several_images_or_none() -> None:
    images = ["test/cut/000.jpg", "test/cut/000.png", "test/cut/001.png", "test/good/7.png"]
    masks = ["ground_truth/cut/000_mask.png", "ground_truth/cut/001.png", "ground_truth/cut/7.png"]
    assert pair_masks(images, masks) == Pairs(
        masks={"test/cut/001.png": ("ground_truth/cut/001.png",)},
        shared={"ground_truth/cut/000_mask.png": ("test/cut/000.jpg", "test/cut/000.png")},
        loose=("ground_truth/cut/7.png",),
    )
    assert pair_masks(["a/0.png", "b/0.png"], ["masks/0.png"]).shared == {"masks/0.png": ("a/0.png", "b/0.png")}


def test_a_pattern_says_which_files_are_masks() -> None:
    names = ["pile/cut/0.png", "truth/cut/0.defect.tif", "truth/cut/readme.tif", "truth/hole/0.defect.tif"]
    stems = masks_of_pattern(names, "truth/*/{stem}.defect.tif")
    assert stems == {"truth/cut/0.defect.tif": "0", "truth/hole/0.defect.tif": "0"}
    images = ["pile/cut/0.png", "pile/hole/0.png"]
    assert pair_masks(images, stems, stems).masks == {images[0]: (names[1],), images[1]: (names[3],)}
    assert masks_of_pattern(["a/7/7_x.png", "a/7/8_x.png"], "a/{stem}/{stem}_*.png") == {"a/7/7_x.png": "7"}
    assert masks_of_pattern(["a+b/7.png", "aab/7.png"], "./a+b/{stem}.png") == {"a+b/7.png": "7"}
