"""Overlays: a picture overlaid with its anomaly map, the contours of its regions and the mask's outline."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib
import numpy
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt

from firstsight.errors import FirstsightError
from firstsight.storage.replacing import replace_file

LONGEST_SIDE = 1024
"""The largest width or height of an overlay, in pixels."""

THUMBNAIL_SIDE = 320
"""The largest width or height of a thumbnail, in pixels."""

CONTOUR_COLOUR = (255, 255, 255)
"""Colour (R, G, B) of the contours of regions."""

MASK_COLOUR = (0, 225, 255)
"""Colour (R, G, B) of the mask's outline: a hue that does not occur in the heat map."""

_COLOUR_MAP = "plasma"
_STRONGEST_ALPHA = 0.8
_LEAST_SHORT_SIDE = 256
_STRIP_ASPECT = 8
_GAP = 6
# Takes half the time of the defaults, for a few percent more bytes.
_SAVE_OPTIONS: dict[str, dict[str, int]] = {".png": {"compress_level": 3}, ".webp": {"quality": 88, "method": 2}}
_BAR_WIDTH = 26
_GREY_TEXT = (118, 118, 118, 255)


@dataclass(frozen=True)
class Layers:
    """The drawings of one image, all of one size; those of a strip cut into pieces have transparent gaps (mode RGBA).

    overlay: the picture with the heat map, the contours of the regions and the mask's outline; RGB.
    picture: the picture alone; RGB.
    lines: contour and outline alone, on a transparent background; RGBA.
    """

    overlay: Image.Image
    picture: Image.Image
    lines: Image.Image


def draw_layers(
    image: NDArray,
    anomaly_map: NDArray[numpy.float32],
    *,
    scale: tuple[float, float],
    regions: NDArray[numpy.bool_],
    mask: NDArray[numpy.bool_] | None,
) -> Layers:
    """Draw the heat map, the contours of the regions and the mask's outline over a picture.

    The heat map is drawn within the regions alone: everything else keeps the colours that it has in the picture. The
    colours are perceptually uniform (matplotlib's plasma) and more opaque for higher values. Lines have the same width
    on the page whatever the size of the image.

    Large images are reduced to 1024 pixels on the long side; maps and masks by their maximum, so that a small region
    cannot vanish. Small ones are enlarged until the short side has 256 pixels or the long side 1024. A strip that is
    more than 8 times as long as wide and too long is cut into pieces instead, arranged from top to bottom (a horizontal
    strip) or from left to right (a vertical one), with transparent gaps (`pieces_of`).

    Args:
        image: the picture, (H, W, 3), RGB in [0, 1]; other values are clipped.
        anomaly_map: its anomaly map, (H, W), finite.
        scale: the values at the two ends of the colours, (low, high), the same for a whole collection; values beyond
            are clipped. If low equals high, everything above has the highest colour.
        regions: (H, W), true where the heat map is drawn and the contours surround it.
        mask: the ground truth, (H, W), true where anomalous, or None.

    Raises:
        FirstsightError: shapes that do not match, an empty image, values that are not finite, or low above high.
    """
    _check(image, anomaly_map, scale, mask)
    height, width = anomaly_map.shape
    factor, pieces = _layout(height, width)
    shape = max(1, int(height * factor + 1e-6)), max(1, int(width * factor + 1e-6))
    picture = _resize_picture(image, shape)
    scores = _resize_map(anomaly_map, shape)
    within = _resize_map(regions.astype(numpy.float32), shape) > 0.5
    colours, alpha = _heat(scores, scale)
    alpha *= within
    heated = picture + alpha[..., None] * (colours - picture)
    longest_piece = max(-(-max(shape) // pieces), min(shape))
    line_width = max(2.0, longest_piece / 320)
    lines = numpy.zeros((*shape, 4), dtype=numpy.float32)
    if mask is not None:
        _draw_mask_outline(lines, _resize_map(mask.astype(numpy.float32), shape) > 0.5, line_width)
    _draw_contour(lines, within, line_width)
    alpha = lines[..., 3:]
    overlay = heated * (1 - alpha) + lines[..., :3]
    lines[..., :3] /= numpy.maximum(alpha, 1e-6)
    return Layers(*(_to_picture(layer, pieces) for layer in (overlay, picture, lines)))


def pieces_of(height: int, width: int) -> int:
    """The number of pieces into which `draw_layers` cuts an image of this size; 1 for all but long strips."""
    return _layout(height, width)[1]


def thumbnail(overlay: Image.Image) -> Image.Image:
    """An overlay reduced to 320 pixels on its long side; a smaller one is not enlarged."""
    reduced = overlay.copy()
    reduced.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    return reduced


def draw_colour_bar(scale: tuple[float, float], threshold: float, height: int) -> Image.Image:
    """Draw the legend of a collection's overlays: the colours from low (bottom) to high (top), and the threshold.

    The colours lie over greys from dark (left) to light (right), blended as in the overlays, to show how they look on
    dark and on light texture. The background is transparent and the text grey, readable on light and dark pages.

    Args:
        scale: the values at the two ends, (low, high), as in `draw_layers`.
        threshold: marked by a line if it lies within the scale, and named beside the bar in any case.
        height: of the drawing in pixels, at least 80.

    Returns:
        An image in mode RGBA, `height` pixels tall.

    Raises:
        FirstsightError: a scale that is not finite, low above high, or a height below 80.
    """
    _check_scale(scale)
    if height < 80:
        raise FirstsightError(f"a colour bar needs a height of at least 80 pixels, not {height}")
    low, high = scale
    font = ImageFont.load_default(14)
    line = 18
    margin = line // 2
    top, bottom = margin, height - margin
    share = 0.5 if high == low else (threshold - low) / (high - low)
    at = bottom - 1 - min(max(share, 0.0), 1.0) * (bottom - 1 - top)

    note = "" if low <= threshold <= high else " (above the scale)" if threshold > high else " (below the scale)"
    # The labels of the ends stay in place; the threshold's label makes room for them.
    labels = [(f"{high:.3g}", float(top)), (f"{low:.3g}", float(bottom - 1))]
    labels.append((f"threshold {threshold:.3g}{note}", min(max(at, top + line), bottom - 1 - line)))
    text_width = max(round(font.getlength(text)) for text, _ in labels)

    canvas = Image.new("RGBA", (_BAR_WIDTH + 22 + text_width, height), (0, 0, 0, 0))
    canvas.paste(_bar(bottom - top), (0, top))
    draw = ImageDraw.Draw(canvas)
    if 0 <= share <= 1:
        draw.line([(0, at), (_BAR_WIDTH - 1, at)], fill=(0, 0, 0, 255), width=4)
        draw.line([(0, at), (_BAR_WIDTH - 1, at)], fill=(*CONTOUR_COLOUR, 255), width=2)
    for text, y in labels:
        start = at if text.startswith("threshold") else y
        draw.line([(_BAR_WIDTH + 2, start), (_BAR_WIDTH + 16, y)], fill=_GREY_TEXT, width=1)
        draw.text((_BAR_WIDTH + 20, y), text, fill=_GREY_TEXT, font=font, anchor="lm")
    return canvas


def write_image(path: Path, image: Image.Image) -> None:
    """Write a picture into a folder that is itself replaced as one. Missing folders are created.

    Args:
        path: its suffix decides the format: ``.png`` is lossless, ``.webp`` is small.
        image: the picture.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(path, image, path.suffix)


def replace_image(path: Path, image: Image.Image) -> None:
    """Write a picture as `write_image` does, but complete under its final name."""
    replace_file(path, lambda beside: _save(beside, image, path.suffix))


def encoded(image: Image.Image, suffix: str) -> bytes:
    """A picture as the file that `write_image` makes."""
    file = BytesIO()
    image.save(file, format=suffix.removeprefix("."), **_SAVE_OPTIONS[suffix])
    return file.getvalue()


def _save(path: Path, image: Image.Image, suffix: str) -> None:
    image.save(path, format=suffix.removeprefix("."), **_SAVE_OPTIONS[suffix])


def overlay_name(image_id: str) -> str:
    """The file name of an image's overlay: a plain name without folders, whatever the image is called.

    It consists of the end of the image's name (60 letters, digits, hyphens and underscores) and a hash of the whole
    name: names that differ, if only in case, never share a file, not even on file systems that ignore case.

        >>> overlay_name("crack/019.jpg")
        'crack-019-dea2b829aa09.png'
    """
    plain = unicodedata.normalize("NFKD", image_id).encode("ascii", "ignore").decode()
    plain = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", plain)
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", plain)[-60:].strip("-")
    digest = hashlib.sha256(image_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{stem}-{digest}.png" if stem else f"{digest}.png"


def _check(
    image: NDArray, anomaly_map: NDArray[numpy.float32], scale: tuple[float, float], mask: NDArray[numpy.bool_] | None
) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise FirstsightError(f"an overlay needs an image of shape (H, W, 3), not {image.shape}")
    if anomaly_map.shape != image.shape[:2]:
        raise FirstsightError(f"the anomaly map is {anomaly_map.shape}, its image {image.shape[:2]}")
    if mask is not None and mask.shape != image.shape[:2]:
        raise FirstsightError(f"the mask is {mask.shape}, its image {image.shape[:2]}")
    if not numpy.isfinite(image).all():
        raise FirstsightError("the image holds values that are not finite")
    if not numpy.isfinite(anomaly_map).all():
        raise FirstsightError("the anomaly map holds values that are not finite")
    _check_scale(scale)


def _check_scale(scale: tuple[float, float]) -> None:
    if not (numpy.isfinite(scale).all() and scale[0] <= scale[1]):
        raise FirstsightError(f"a colour scale needs two finite values, the lower one first, not {scale}")


def _layout(height: int, width: int) -> tuple[float, int]:
    """The factor by which an image is scaled, and the number of pieces into which it is cut."""
    short, long = sorted((height, width))
    if long <= LONGEST_SIDE:
        return min(LONGEST_SIDE / long, max(1.0, _LEAST_SHORT_SIDE / short)), 1
    if long <= _STRIP_ASPECT * short:
        return LONGEST_SIDE / long, 1
    factors = {
        pieces: min(1.0, pieces * LONGEST_SIDE / long, (LONGEST_SIDE - _GAP * (pieces - 1)) / (pieces * short))
        for pieces in range(1, 101)
    }
    # The largest factor and, among equals, the fewest pieces.
    pieces = max(factors, key=lambda pieces: (factors[pieces], -pieces))
    return factors[pieces], pieces


def _resize_picture(image: NDArray, shape: tuple[int, int]) -> NDArray[numpy.float32]:
    """Resize a picture to (height, width), float32 in [0, 1]: by the mean if reduced, bicubic if enlarged."""
    levels = Image.fromarray((numpy.clip(image, 0, 1) * 255 + 0.5).astype(numpy.uint8))
    reduced = shape[0] < image.shape[0] or shape[1] < image.shape[1]
    method = Image.Resampling.BOX if reduced else Image.Resampling.BICUBIC
    resized = levels if shape == image.shape[:2] else levels.resize(shape[::-1], method)
    return numpy.asarray(resized, dtype=numpy.float32) / numpy.float32(255)


def _resize_map(anomaly_map: NDArray[numpy.float32], shape: tuple[int, int]) -> NDArray[numpy.float32]:
    """Resize a map to (height, width): by the maximum if reduced, bilinear if enlarged."""
    scores = anomaly_map.astype(numpy.float32)
    for axis in (0, 1):
        if shape[axis] < scores.shape[axis]:
            starts = numpy.arange(shape[axis]) * scores.shape[axis] // shape[axis]
            scores = numpy.maximum.reduceat(scores, starts, axis=axis)
    if scores.shape != shape:
        scores = numpy.asarray(Image.fromarray(scores).resize(shape[::-1], Image.Resampling.BILINEAR))
    return scores


def _heat(
    scores: NDArray[numpy.float32], scale: tuple[float, float]
) -> tuple[NDArray[numpy.float32], NDArray[numpy.float32]]:
    """Colours (H, W, 3) in [0, 1] and opacities (H, W) of scores (H, W)."""
    low, high = scale
    share = (scores > low).astype(numpy.float32) if high == low else numpy.clip((scores - low) / (high - low), 0, 1)
    colours = matplotlib.colormaps[_COLOUR_MAP](share)[..., :3].astype(numpy.float32)
    return colours, (_STRONGEST_ALPHA * share**0.8).astype(numpy.float32)


def _draw_contour(lines: NDArray[numpy.float32], region: NDArray[numpy.bool_], width: float) -> None:
    """Draw the contour of a region (H, W) into a layer (H, W, 4), just outside the region, but inside it at the frame.

    The region itself stays visible, however small it is.
    """
    if not region.any():
        return
    outside = numpy.zeros(region.shape) if region.all() else distance_transform_edt(~region) - 0.5
    inside = numpy.full(region.shape, numpy.inf) if region.all() else distance_transform_edt(region) - 0.5
    rows, columns = (numpy.minimum(numpy.arange(size), numpy.arange(size)[::-1]) + 0.5 for size in region.shape)
    frame = numpy.minimum.outer(rows, columns)
    within = numpy.where(frame < width + 1, frame, -inside)
    _draw_line(lines, numpy.where(region, within, outside), CONTOUR_COLOUR, width)


def _draw_mask_outline(lines: NDArray[numpy.float32], mask: NDArray[numpy.bool_], width: float) -> None:
    """Draw the outline of a mask (H, W) into a layer (H, W, 4), two thirds of it inside the mask, a third outside.

    It is drawn before the contour and shows beside it where mask and region agree; a one-pixel mask still gives a dot.
    """
    if mask.any():
        inside = distance_transform_edt(numpy.pad(mask, 1))[1:-1, 1:-1] - 0.5
        outside = numpy.zeros(mask.shape) if mask.all() else distance_transform_edt(~mask) - 0.5
        _draw_line(lines, numpy.where(mask, -inside, outside) + width * 2 / 3, MASK_COLOUR, width)


def _draw_line(
    lines: NDArray[numpy.float32], distance: NDArray[numpy.float64], colour: tuple[int, int, int], width: float
) -> None:
    """Paint where the distance (H, W) is between 0 and the width, with smooth edges and a dark rim of one pixel beyond.

    The layer (H, W, 4) holds premultiplied colours and the opacity.
    """
    for rim, value, opacity in ((1.0, (0, 0, 0), 0.6), (0.0, colour, 1.0)):
        cover = numpy.clip(distance + 0.5, 0, 1) * numpy.clip(width + rim + 0.5 - distance, 0, 1) * opacity
        lines += cover[..., None].astype(numpy.float32) * (numpy.array((*value, 255), numpy.float32) / 255 - lines)


def _to_picture(layer: NDArray[numpy.float32], pieces: int) -> Image.Image:
    drawn = Image.fromarray((layer * 255 + 0.5).astype(numpy.uint8))
    return drawn if pieces == 1 else _fold(drawn, pieces)


def _fold(drawn: Image.Image, pieces: int) -> Image.Image:
    """Cut a strip into pieces of equal length (the last may be shorter) and arrange them side by side."""
    width, height = drawn.size
    horizontal = width >= height
    long, short = max(width, height), min(width, height)
    length = -(-long // pieces)
    across = pieces * short + (pieces - 1) * _GAP
    folded = Image.new("RGBA", (length, across) if horizontal else (across, length), (0, 0, 0, 0))
    for piece in range(pieces):
        start, offset = piece * length, piece * (short + _GAP)
        end = min(start + length, long)
        box = (start, 0, end, short) if horizontal else (0, start, short, end)
        folded.paste(drawn.crop(box), (0, offset) if horizontal else (offset, 0))
    return folded


def _bar(height: int) -> Image.Image:
    """The colours from high (top) to low (bottom), over greys from dark (left) to light (right)."""
    share = numpy.linspace(1, 0, height, dtype=numpy.float32)[:, None].repeat(_BAR_WIDTH, axis=1)
    greys = numpy.linspace(0.25, 0.85, _BAR_WIDTH, dtype=numpy.float32)[None, :, None].repeat(height, axis=0)
    colours, alpha = _heat(share, (0.0, 1.0))
    blended = greys + alpha[..., None] * (colours - greys)
    return Image.fromarray((blended * 255 + 0.5).astype(numpy.uint8))
