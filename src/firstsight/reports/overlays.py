"""Overlays: a picture with its anomaly map over it, the threshold's contour and the mask's outline."""

import hashlib
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt

from firstsight.errors import FirstsightError

LONGEST_SIDE = 1024
"""No overlay is wider or taller than this many pixels."""

THUMBNAIL_SIDE = 320
"""Nor a thumbnail than this many."""

CONTOUR_COLOUR = (255, 255, 255)
"""Colour (R, G, B) of the contour at the threshold."""

MASK_COLOUR = (0, 225, 255)
"""Colour (R, G, B) of the mask's outline: a hue that the heat map does not have."""

_COLOUR_MAP = "plasma"
_STRONGEST_ALPHA = 0.8
_LEAST_SHORT_SIDE = 256
_STRIP_ASPECT = 8
_GAP = 6
# Half the time of the defaults, for a few percent more bytes.
_HOW_TO_SAVE = {".png": {"compress_level": 3}, ".webp": {"quality": 88, "method": 2}}
_BAR_WIDTH = 26
_GREY_TEXT = (118, 118, 118, 255)


@dataclass(frozen=True)
class Layers:
    """What is drawn of one image, all of one size and, for a strip in pieces, with transparent gaps (mode RGBA).

    overlay: the picture with the heat map, the threshold's contour and the mask's outline; RGB.
    picture: the picture alone; RGB.
    lines: contour and outline alone, on a transparent ground; RGBA.
    """

    overlay: Image.Image
    picture: Image.Image
    lines: Image.Image


def draw_layers(
    image: NDArray,
    anomaly_map: NDArray[numpy.float32],
    *,
    scale: tuple[float, float],
    threshold: float,
    mask: NDArray[numpy.bool_] | None,
) -> Layers:
    """Draw the heat map, the threshold's contour and the mask's outline over a picture.

    The colours are perceptually uniform (matplotlib's plasma) and grow opaque with the value, so that the texture stays
    visible where nothing is wrong. Lines keep one width on the page whatever the size of the image.

    Large images are reduced to 1024 pixels on the long side; the map and the mask by their maximum, so that a small
    region cannot vanish. Small ones are enlarged until the short side has 256 pixels or the long one 1024. A strip that
    is more than 8 times as long as wide and would have to be reduced is cut into pieces instead, laid from top to
    bottom (a horizontal strip) or from left to right (a vertical one), with transparent gaps (`pieces_of`).

    Args:
        image: the picture, (H, W, 3), RGB in [0, 1]; values beyond are clipped.
        anomaly_map: its anomaly map, (H, W), finite.
        scale: the values at the two ends of the colours, (low, high), the same for a whole collection; values beyond
            are clipped. Where low equals high, everything above it has the highest colour.
        threshold: the contour runs round the pixels above it.
        mask: the ground truth, (H, W), true where anomalous; None where there is none.

    Raises:
        FirstsightError: shapes that do not agree, an empty image, values that are not finite, low above high.
    """
    _check(image, anomaly_map, scale, mask)
    height, width = anomaly_map.shape
    factor, pieces = _layout(height, width)
    shape = max(1, int(height * factor + 1e-6)), max(1, int(width * factor + 1e-6))
    picture = _resize_picture(image, shape)
    scores = _resize_map(anomaly_map, shape)
    colours, alpha = _heat(scores, scale)
    heated = picture + alpha[..., None] * (colours - picture)
    longest_piece = max(-(-max(shape) // pieces), min(shape))
    line_width = max(2.0, longest_piece / 320)
    lines = numpy.zeros((*shape, 4), dtype=numpy.float32)
    if mask is not None:
        _draw_mask_outline(lines, _resize_map(mask.astype(numpy.float32), shape) > 0.5, line_width)
    _draw_contour(lines, scores > threshold, line_width)
    alpha = lines[..., 3:]
    overlay = heated * (1 - alpha) + lines[..., :3]
    lines[..., :3] /= numpy.maximum(alpha, 1e-6)
    return Layers(*(_finished(layer, pieces) for layer in (overlay, picture, lines)))


def pieces_of(height: int, width: int) -> int:
    """Into how many pieces `draw_layers` cuts an image of this size; 1 for all but long strips."""
    return _layout(height, width)[1]


def thumbnail(overlay: Image.Image) -> Image.Image:
    """An overlay reduced to 320 pixels on its long side; a smaller one as it is."""
    reduced = overlay.copy()
    reduced.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    return reduced


def draw_colour_bar(scale: tuple[float, float], threshold: float, height: int) -> Image.Image:
    """Draw the legend of a collection's overlays: the colours from low (bottom) to high (top), and the threshold.

    The colours lie over greys from dark (left) to light (right), blended as in the overlays: what they look like on
    dark and on light texture. Background transparent, text grey: readable on a light and on a dark page.

    Args:
        scale: the values at the two ends, (low, high), as given to `draw_layers`.
        threshold: marked by a line where it lies within the scale; named beside it in any case.
        height: height of the drawing in pixels, at least 80.

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
    # The labels of the ends stay in place; that of the threshold makes way for them.
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
    """Write a picture beside its final name and rename it when it is whole. Missing folders are made.

    Args:
        path: its suffix says how: ``.png`` keeps every pixel, ``.webp`` is small.
        image: the picture.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    image.save(partial, format=path.suffix.removeprefix("."), **_HOW_TO_SAVE[path.suffix])
    os.replace(partial, path)


def overlay_name(image_id: str) -> str:
    """The file name of an image's overlay: one plain name inside a folder, whatever the image is called.

    It is made of the end of the image's name (60 letters, digits, hyphens and underscores) and of a hash of all of it:
    names that differ in any way, be it in case alone, never share a file, not even where file names ignore case.

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
    """How much an image is enlarged or reduced, and into how many pieces it is cut."""
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
    """A picture at another (height, width), float32 in [0, 1]: mean of its pixels if reduced, bicubic if enlarged."""
    levels = Image.fromarray((numpy.clip(image, 0, 1) * 255 + 0.5).astype(numpy.uint8))
    reduced = shape[0] < image.shape[0] or shape[1] < image.shape[1]
    method = Image.Resampling.BOX if reduced else Image.Resampling.BICUBIC
    resized = levels if shape == image.shape[:2] else levels.resize(shape[::-1], method)
    return numpy.asarray(resized, dtype=numpy.float32) / numpy.float32(255)


def _resize_map(anomaly_map: NDArray[numpy.float32], shape: tuple[int, int]) -> NDArray[numpy.float32]:
    """A map at another (height, width): maximum of the cells where reduced, bilinear where enlarged."""
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
    """Draw the contour of a region (H, W) into a layer (H, W, 4), just outside the region, inside along the frame.

    What lies within stays visible, however small it is.
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

    Drawn before the contour it shows beside it where mask and region agree; a mask of one pixel still makes a dot.
    """
    if mask.any():
        inside = distance_transform_edt(numpy.pad(mask, 1))[1:-1, 1:-1] - 0.5
        outside = numpy.zeros(mask.shape) if mask.all() else distance_transform_edt(~mask) - 0.5
        _draw_line(lines, numpy.where(mask, -inside, outside) + width * 2 / 3, MASK_COLOUR, width)


def _draw_line(
    lines: NDArray[numpy.float32], distance: NDArray[numpy.float64], colour: tuple[int, int, int], width: float
) -> None:
    """Paint where the distance (H, W) is from 0 to the width, its edges smooth, with a dark rim of a pixel beyond.

    The layer (H, W, 4) holds colours times opacity, and the opacity.
    """
    for rim, value, opacity in ((1.0, (0, 0, 0), 0.6), (0.0, colour, 1.0)):
        cover = numpy.clip(distance + 0.5, 0, 1) * numpy.clip(width + rim + 0.5 - distance, 0, 1) * opacity
        lines += cover[..., None].astype(numpy.float32) * (numpy.array((*value, 255), numpy.float32) / 255 - lines)


def _finished(layer: NDArray[numpy.float32], pieces: int) -> Image.Image:
    drawn = Image.fromarray((layer * 255 + 0.5).astype(numpy.uint8))
    return drawn if pieces == 1 else _fold(drawn, pieces)


def _fold(drawn: Image.Image, pieces: int) -> Image.Image:
    """Cut a strip into pieces of equal length (the last may be shorter) and lay them side by side across its length."""
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
