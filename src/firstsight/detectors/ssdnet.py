"""SSDnet: a network learns an image from the image itself, and what it cannot rebuild is anomalous."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from firstsight.detectors.image_input import read_color
from firstsight.detectors.periodicity import periodicity
from firstsight.detectors.ssdnet_losses import anomaly_scores, squared_error
from firstsight.detectors.ssdnet_network import EncoderDecoder
from firstsight.detectors.ssdnet_settings import SsdnetSettings
from firstsight.detectors.ssdnet_training import inpaint, load_similarity, mean_color, rebuild, train
from firstsight.errors import FirstsightError
from firstsight.storage.geometry import Geometry

__all__ = ["SsdnetSettings", "loss_weights", "ssdnet"]

# (w_rec, w_perc) of section 4.2.
PERIODIC = (1.0, 0.0)
STOCHASTIC = (0.0, 1.0)
# Missing pixels need values, which perception alone does not give.
INPAINTING = (1.0, 0.0)


def ssdnet(features: Mapping[str, Tensor], places: Mapping[str, Geometry], settings: SsdnetSettings) -> Tensor:
    """Squared error of an image as a network rebuilds it that was trained on this image alone.

    Source: M. Moradi, S. Chen, H. Yan and K. Paynabar, A single image is all you need: zero-shot anomaly localization
    without training data, 2025. No code was published; what the paper leaves open, or what is done differently:

    - The network is the small one of `EncoderDecoder`. Equation 2 is read as it stands: the network sees images, its
      patches lie in its output. It learns from four random crops of 64 x 64 pixels a step; an epoch is 20 steps. The
      10 epochs of periodic and the one epoch of stochastic textures are the paper's, and longer training is not
      better: the network then learns long anomalies, too.
    - One of four blocks of 8 x 8 pixels is hidden and shown as such in a fourth channel; a tenth of the patches of
      16 x 16 pixels change places in the input, not in the output, so that the network has to tell from its
      surroundings what belongs there; noise of deviation 0.01.
    - The network is asked as it was trained: a pixel's f(y) is what it puts there while the pixel is hidden, averaged
      over three ways to hide the image. Shown everything (``inference: paper``), it copies most anomalies.
    - The image keeps its shape: its shorter side is reduced to 256 pixels and never enlarged; the paper makes it
      256 x 256. Patches have 8 pixels, not 16, since most of the defects that were looked at are narrow.
    - (w_rec, w_perc) is chosen by the autocorrelation of the image (`loss_weights`).
    - phi is VGG19 on the whole crop, of which a patch has its part: enlarging every patch to 224 x 224 as the paper
      does costs 9 GFLOP a patch. The inner product is a mean over channels and pixels, so the paper's stopping loss
      of -100 does not carry over, and a stochastic texture always gets its epoch.
    - Terms of Equation 3 are not scaled image by image (``min_max``), so that maps of a collection can be compared.
    - Missing pixels (section 5.2): a first network, always trained with (1, 0), fills them; a second one is trained on
      the completed image. The first has them hidden, and they count in no loss. What was filled in has no error that
      counts: how well it was filled says nothing of anomalies.

    On the CPU the same image, settings and seed give the same map; on a GPU the perceptual term is the same up to
    rounding, since the gradient of VGG19's reflecting borders is.

    Args:
        features: {"image": (3, H, W)}, RGB in [0, 1], NaN where a pixel is missing.
        places: not needed, since the map lies on the image.
        settings: see `SsdnetSettings`.

    Returns:
        (H, W) float32 on the device of the image, finite; in squared grey values with the default alpha_perc of 0.

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
        weights = loss_weights(image, known, settings)
        if not known.all():
            image = inpaint(train(image, known, INPAINTING, settings, generator), image, known)
        network = train(image, torch.ones_like(known), weights, settings, generator)
        scores = _scores(network, image, known, settings, generator)
    if scores.shape == size:
        return scores
    return functional.interpolate(scores[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]


def loss_weights(image: Tensor, known: Tensor, settings: SsdnetSettings) -> tuple[float, float]:
    """(w_rec, w_perc) of Equation 2: those of the settings, or what the texture asks for.

    Section 3.4: reconstruction for periodic patterns, perception for stochastic ones. Which of them a texture is, is
    read from its autocorrelation (`periodicity`).

    Args:
        image: (3, H, W), finite.
        known: (H, W), bool, False where a pixel is missing.
        settings: w_rec, w_perc and periodic_from.
    """
    if settings.w_rec is not None and settings.w_perc is not None:
        return settings.w_rec, settings.w_perc
    strength = periodicity(image.mean(dim=0).cpu().numpy(), known.cpu().numpy())
    return PERIODIC if strength >= settings.periodic_from else STOCHASTIC


def _scores(
    network: EncoderDecoder, image: Tensor, known: Tensor, settings: SsdnetSettings, generator: torch.Generator
) -> Tensor:
    """(H, W): Equation 3, its terms averaged over several ways to hide the image."""
    similarity = load_similarity(settings.weights, image.device) if settings.alpha_perc else None
    rounds = settings.rounds if settings.inference == "masked" else 1
    error, similar = torch.zeros_like(image[0]), torch.zeros_like(image[0])
    with torch.no_grad():
        for _ in range(rounds):
            rebuilt = rebuild(network, image, settings, generator)
            error += squared_error(image[None], rebuilt[None])[0] / rounds
            if similarity:
                similar += similarity(image[None], rebuilt[None])[0] / rounds
    return anomaly_scores(
        error,
        similar if similarity else None,
        known,
        alpha_perc=settings.alpha_perc,
        patch_sizes=settings.patch_sizes,
        aggregate=settings.aggregate,
        min_max=settings.min_max,
    )


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
