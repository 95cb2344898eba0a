"""The size at which an image enters the extractor, and the window in which its texture is judged there."""

from collections.abc import Sequence

from firstsight.features.texture_scale import LARGEST_WINDOW, Scale, Size

LARGEST_FACTOR = 4.0
"""No image is enlarged more than so many times: it would show no more than before."""

ImageSize = int | Sequence[int] | str | None
"""As `firstsight.plan.settings.FeatureSettings` has it."""


def input_size(
    height: int,
    width: int,
    image_size: ImageSize,
    *,
    least_side: int | None,
    scale: Scale,
    given: float | None = None,
) -> Size:
    """Height and width at which an image enters the extractor.

    Args:
        height, width: of the image, pixels.
        image_size: n: n x n; [h, w]: h x w; None: as the image is; "auto": enlarged, at most `LARGEST_FACTOR` times,
            until the shorter side has ``least_side`` pixels, or reduced as far as the texture stays resolved.
        least_side: of the extractor; None: "auto" leaves images as they are.
        scale: of the collection.
        given: side of the windows, in pixels of the image, where the config sets it; with "auto", the image is then
            reduced until they have no more than `LARGEST_WINDOW` pixels.
    """
    if isinstance(image_size, int):
        return image_size, image_size
    if image_size == "auto" and least_side is not None:
        factor = min(scale.factor(height, width, least_side), LARGEST_FACTOR)
        if given is not None:
            factor = min(factor, LARGEST_WINDOW / given)
        return max(1, round(height * factor)), max(1, round(width * factor))
    if image_size is None or isinstance(image_size, str):
        return height, width
    return image_size[0], image_size[1]


def input_window(height: int, width: int, size: Size, *, scale: Scale, given: float | None = None) -> float:
    """Side of the windows in which an image is judged, in pixels of its input of this size.

    Args:
        height, width, scale, given: as for `input_size`.
    """
    if given is None:
        return scale.window
    return given * (size[0] * size[1] / (height * width)) ** 0.5
