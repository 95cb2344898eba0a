"""Settings of the threshold, one model for each way to find it."""

from typing import Annotated, Literal

from pydantic import Field

from firstsight.settings_model import SettingsModel


class Deviations(SettingsModel):
    """Four robust deviations above the bulk of scores, and above a tenth of the images."""

    method: Literal["deviations"] = "deviations"
    """How the score above which a pixel is anomalous is found."""


class FalseAlarmRate(SettingsModel):
    """About this share of normal images has a region, or of normal pixels lies above."""

    method: Literal["false_alarm_rate"] = "false_alarm_rate"
    """How the score above which a pixel is anomalous is found."""
    rate: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """Share of normal images that may have a region, or of normal pixels that may lie above."""
    unit: Literal["image", "pixel"] = "image"
    """What the rate is a share of."""


class Otsu(SettingsModel):
    """Otsu's threshold of all scores, or of each image's own."""

    method: Literal["otsu"] = "otsu"
    """How the score above which a pixel is anomalous is found."""
    scores: Literal["collection", "image"] = "collection"
    """Whose scores are parted in two: those of all images together, or each image's own."""


class Fixed(SettingsModel):
    """A score that was given."""

    method: Literal["fixed"] = "fixed"
    """How the score above which a pixel is anomalous is found."""
    value: float
    """The threshold itself, in the units of the maps."""


ThresholdSettings = Annotated[FalseAlarmRate | Deviations | Otsu | Fixed, Field(discriminator="method")]
