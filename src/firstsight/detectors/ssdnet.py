"""SSDnet: a network learns an image from the image itself, and what it cannot rebuild is anomalous."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from firstsight.detectors.image_input import read_color
from firstsight.detectors.ssdnet_combination import combined_scores
from firstsight.detectors.ssdnet_losses import anomaly_scores, squared_error
from firstsight.detectors.ssdnet_network import EncoderDecoder
from firstsight.detectors.ssdnet_perception import load_perception, perceptual_similarity, similarity_by_patches
from firstsight.detectors.ssdnet_settings import SsdnetSettings
from firstsight.detectors.ssdnet_training import inpaint, mean_color, rebuild, train
from firstsight.errors import FirstsightError
from firstsight.storage.geometry import Geometry

__all__ = ["SsdnetSettings", "ssdnet"]

# (w_rec, w_perc): missing pixels need values, which perception alone does not give.
INPAINTING = (1.0, 0.0)


def ssdnet(features: Mapping[str, Tensor], places: Mapping[str, Geometry], settings: SsdnetSettings) -> Tensor:
    """How far an image is from what networks make of it that were trained on this image alone.

    Source: M. Moradi, S. Chen, H. Yan and K. Paynabar, A single image is all you need: zero-shot anomaly localization
    without training data, 2025. No code was published; what the paper leaves open, or what is done differently:

    - The paper picks (w_rec, w_perc) of Equation 2 by the kind of texture and (alpha_rec, alpha_perc) of Equation 3 by
      the kind of anomaly. Nobody tells here: a network is trained with (1, 0) and another with (0, 1), and both terms
      of both are combined in robust deviations of the image (`combined_scores`). Given weights and a given
      ``alpha_perc`` bring the equations back as they stand; then terms are not scaled image by image (unless
      ``min_max``), so that maps of a collection can be compared.
    - The network is the small one of `EncoderDecoder`. Equation 2 is read as it stands: the network sees images, its
      patches lie in its output. It learns from four random crops of 64 x 64 pixels a step; an epoch is 20 steps. The
      10 epochs with (1, 0) and the one epoch with (0, 1) are the paper's, and longer training is not better: the
      network then learns long anomalies, too.
    - One of four blocks of 8 x 8 pixels is hidden and shown as such in a fourth channel; a tenth of the patches of
      16 x 16 pixels change places in the input, so that the network has to tell from its surroundings what belongs
      there (the paper's change places in the output: ``permuted``); noise of deviation 0.01.
    - The network is asked as it was trained: a pixel's f(y) is what it puts there while the pixel is hidden, averaged
      over three ways to hide the image. Shown everything (``inference: paper``), it copies most anomalies.
    - The image keeps its shape: its shorter side is reduced to 256 pixels and never enlarged; the paper makes it
      256 x 256. Patches have 8 and 16 pixels, not 16 alone, since many defects are narrow.
    - phi is VGG19 on the whole crop, of which a patch has its part: enlarging every patch to 224 x 224 as the paper
      does (``enlarge: 14``) costs 9 GFLOP a patch. One random patch of every crop is learned from then, and patches
      lie side by side where the image is scored.
    - The inner product is a mean over channels and pixels. Its scale is that of the weights: with those of Oxford it is
      below -10,000 before the first step, so -100 stops nothing before the end of the one epoch, however it is summed.
      What grows under it is the contrast of the output, at little more than half the cosine of its features with the
      image's; so (0, 1) rebuilds worse than a constant would, and its error is much like the distance from mid-grey.
    - Missing pixels (section 5.2): a first network, always trained with (1, 0), fills them; the others are trained on
      the completed image. The first has them hidden, and they count in no loss. What was filled in has no error that
      counts: how well it was filled says nothing of anomalies.

    On the CPU the same image, settings and seed give the same map; on a GPU the perceptual term is the same up to
    rounding, since the gradient of VGG19's reflecting borders is.

    Args:
        features: {"image": (3, H, W)}, RGB in [0, 1], NaN where a pixel is missing.
        places: not needed, since the map lies on the image.
        settings: see `SsdnetSettings`.

    Returns:
        (H, W) float32 on the device of the image, finite; in robust deviations, or as Equation 3 has it where
        ``alpha_perc`` is given (in squared grey values where it is 0).

    Raises:
        FirstsightError: no image, another shape, infinite values, not a single known pixel, an image too small, or
            weights of VGG19 that cannot be had (where the perceptual term is needed).
    """
    image = read_color(features)
    size = (image.shape[1], image.shape[2])
    # The network learns, whatever mode the caller is in.
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.backends.cudnn.flags(enabled=True, deterministic=True),
    ):
        image, known = _reduce(image.clone(), settings.image_size)
        height, width = known.shape
        least = settings.least_side
        if min(height, width) < least:
            raise FirstsightError(
                f"image is {width} x {height} (W x H) pixels, but these settings need at least {least} x {least}"
            )
        generator = torch.Generator().manual_seed(settings.seed)
        if not known.all():
            image = inpaint(train(image, known, INPAINTING, settings, generator), image, known)
        terms = []
        for weights in settings.loss_weights:
            network = train(image, torch.ones_like(known), weights, settings, generator)
            terms.append(_terms(network, image, settings, generator))
        scores = _scores(terms, known, settings)
    if scores.shape == size:
        return scores
    return functional.interpolate(scores[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]


def _terms(
    network: EncoderDecoder, image: Tensor, settings: SsdnetSettings, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """(H, W) each: error and similarity of Equation 3, averaged over several ways to hide the image.

    The similarity is None where it has no share in the score.
    """
    rounds = settings.rounds if settings.inference == "masked" else 1
    with torch.no_grad():
        rebuilt = [rebuild(network, image, settings, generator) for _ in range(rounds)]
        error = torch.stack([squared_error(image[None], each[None])[0] for each in rebuilt]).mean(dim=0)
        if settings.alpha_perc == 0:
            return error, None
        perception = load_perception(settings.weights, image.device)
        if settings.enlarge == 1:
            return error, perceptual_similarity(perception, image[None], [each[None] for each in rebuilt], 1)[0]
        patch_size = max(settings.patch_sizes)
        return error, similarity_by_patches(perception, image, rebuilt, enlarge=settings.enlarge, patch_size=patch_size)


def _scores(terms: Sequence[tuple[Tensor, Tensor | None]], known: Tensor, settings: SsdnetSettings) -> Tensor:
    """(H, W): the terms of every network in one score, by Equation 3 where it has a share for each."""
    if settings.alpha_perc is not None:
        ((error, similarity),) = terms
        return anomaly_scores(
            error,
            similarity,
            known,
            alpha_perc=settings.alpha_perc,
            patch_sizes=settings.patch_sizes,
            aggregate=settings.aggregate,
            min_max=settings.min_max,
        )
    combined = [term for error, similarity in terms if similarity is not None for term in (error, -similarity)]
    return combined_scores(combined, known, patch_sizes=settings.patch_sizes, aggregate=settings.aggregate)


def _reduce(image: Tensor, image_size: int | None) -> tuple[Tensor, Tensor]:
    """The image at the size to work at, missing pixels filled with the mean of the others, and which are known."""
    known = ~image.isnan().any(dim=0)
    image = torch.where(known, image, 0)
    height, width = known.shape
    if image_size is not None and min(height, width) > image_size:
        factor = image_size / min(height, width)
        together = functional.interpolate(
            torch.cat([image, known[None].to(image)])[None],
            size=(round(height * factor), round(width * factor)),
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )[0]
        # A reduced pixel is the mean of the known ones under it, and missing where most of them are (where nearly all
        # of the image is missing: where more of them are than anywhere else).
        known = together[3] >= min(0.5, float(together[3].max()))
        image = torch.where(known, together[:3] / together[3].clamp(min=1e-6), 0)
    return torch.where(known, image, mean_color(image, known)[:, None, None]), known
