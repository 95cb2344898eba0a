"""What a user may write in a config: models that hold every key, type, default, bound and description.

The JSON schema, ``docs/settings.md`` and the default ``config.yaml`` are made from these models
(`firstsight.plan.settings_documents`, `firstsight.plan.default_config`). The settings of a detector are a model in the
detector's own file.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, Strict, field_validator, model_validator

from firstsight.errors import suggestion
from firstsight.features.registry import EXTRACTORS
from firstsight.features.timm_models import is_timm_name
from firstsight.plan.run_settings import DaskSettings, ExportSettings, PaperCollection, VerdictSettings
from firstsight.plan.threshold_settings import FalseAlarmRate, ThresholdSettings
from firstsight.settings_model import Count, Positive, SettingsModel, UserPath, first_sentence, misplaced

TAKEN_NAMES = ("tables", "exports", "logs", "reports", "groups", "sheets")
"""Folders of the results that belong to no collection."""


def _collection_name(name: str) -> str:
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise ValueError("cannot be used as a name: letters, digits, _ and -, beginning with a letter or a digit")
    if name in TAKEN_NAMES:
        raise ValueError("cannot be used as a name: the results have a folder of that name")
    return name


def detector_name(name: str) -> str:
    """The name of an entry of ``detectors``; ValueError where it could not name columns and folders."""
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError("cannot be used as a name: letters, digits and _, beginning with a letter")
    if name == "texture":
        raise ValueError("cannot be used as a name: the table images has columns that begin with it")
    return name


CollectionName = Annotated[str, AfterValidator(_collection_name)]
DetectorName = Annotated[str, AfterValidator(detector_name)]
ImageSize = Annotated[tuple[Count, Count], Strict(False)]
Group = Annotated[tuple[str, ...], Strict(False)]
SMALLEST_GROUP = 2


class FeatureSettings(SettingsModel):
    """Which features are computed, and how they are stored."""

    extractor: Annotated[str, Field(examples=[*EXTRACTORS, "timm/convnext_tiny"])] = "efficientnet_lite0"
    """Name of the feature extractor, or timm/<model>, any network of timm that returns maps."""
    weights: str | None = None
    """A file, a name of torchvision such as IMAGENET1K_V1, or null for the extractor's own default (of
    efficientnet_lite0: the weights that are installed with firstsight)."""
    image_size: Literal["auto"] | Count | ImageSize | None = "auto"
    """Size at which images enter the extractor. auto: for EfficientNets and ResNets small images are enlarged until the
    shorter side has 384 pixels (at most 4 times), and larger ones reduced down to that as far as their texture stays
    resolved, for other extractors native; null: native; n: n x n pixels; or [height, width]."""
    scale: Literal["auto"] | Positive = "auto"
    """Side, in pixels of the image, of the windows in which the texture is judged. auto: found from the images."""
    border: Literal["reflect", "paper"] = "reflect"
    """What lies beyond the border. reflect: the texture, mirrored; paper: zeros, as in the papers."""
    dtype: Literal["float16", "float32"] = "float16"
    """Type in which features are stored."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")] = "auto"
    """Where features and maps are computed: auto, cpu, cuda or cuda:n."""

    @field_validator("extractor")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in EXTRACTORS and not is_timm_name(name):
            raise ValueError(f"is no extractor; {suggestion(name, [*EXTRACTORS, 'timm/<model>'])}")
        return name


class DetectorEntry(SettingsModel):
    """One entry of ``detectors``: the method, and those of its settings that differ from its defaults."""

    model_config = ConfigDict(extra="allow")

    method: str | None = None
    """Which detector runs, where the name of the entry is another."""
    preset: Literal["paper"] | None = None
    """paper: the method's settings as its paper has them, in place of firstsight's; what else the entry says comes
    first."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_nothing(cls, given: Any) -> Any:
        return {} if given is None else given

    @classmethod
    def of(cls, method: str, given: Mapping[str, Any]) -> Self:
        """The entry of a method with these settings."""
        return cls.model_validate({"method": method, **given})

    def method_of(self, name: str) -> str:
        """The method of the entry of that name."""
        return self.method or name

    @property
    def given(self) -> dict[str, Any]:
        """The settings as the user wrote them, ``preset`` among them."""
        preset = {} if self.preset is None else {"preset": self.preset}
        return preset | dict(self.model_extra or {})


class ClusteringSettings(SettingsModel):
    """How images are sorted into kinds."""

    clusters: Literal["auto"] | Count = "auto"
    """Number of clusters, `normal` included; auto: estimated without labels."""
    oracle: bool = False
    """Whether there are as many clusters as true labels, for comparison with papers; the tables say so."""
    contrastive: bool = False
    """Whether images are described by a head that is trained contrastively on the collection."""

    @model_validator(mode="after")
    def _one_number(self) -> Self:
        if self.oracle and self.clusters != "auto":
            raise misplaced("oracle", "true, and a number of clusters, exclude each other")
        return self


class RunClusteringSettings(ClusteringSettings):
    """How images are sorted into kinds, within collections and across them."""

    across: Literal["all"] | Annotated[tuple[Group, ...], Strict(False)] = ()
    """Groups of collections that have kinds in common, besides those of each: [[line_a, line_b], [monday, tuesday]];
    all: one group of all collections."""
    textures: Literal["auto", "same", "different"] = "auto"
    """Whether the collections of a group show the same texture. same: anomalies are compared as they are; different: by
    how they differ from the normal texture of their collection; auto: found from the images of each group."""
    learn_across: bool = False
    """Whether a detector that learns from a collection itself (blind) learns from all collections of its groups, which
    then show the same texture."""

    @field_validator("across", mode="before")
    @classmethod
    def _are_lists(cls, across: Any) -> Any:
        if isinstance(across, list) and any(not isinstance(group, list | tuple) for group in across):
            raise ValueError("should be a list of groups, each of them a list of names: [[line_a, line_b]]")
        return across

    @field_validator("across")
    @classmethod
    def _are_groups(cls, across: Any) -> Any:
        for group in () if across == "all" else across:
            if len(set(group)) < len(group):
                twice = next(name for name in group if group.count(name) > 1)
                raise ValueError(f"has {twice} twice in a group")
            if len(group) < SMALLEST_GROUP:
                raise ValueError("has a group of one: a group needs two collections or more")
        if across != "all" and len(set(map(frozenset, across))) < len(across):
            raise ValueError("has a group twice")
        return across

    @model_validator(mode="after")
    def _learns_from_one_texture(self) -> Self:
        if self.learn_across and self.textures == "different":
            raise misplaced("learn_across", "true, and textures: different, exclude each other")
        if self.learn_across and not self.across:
            raise misplaced("learn_across", "true has no meaning without groups of collections (across)")
        return self


class EvaluationSettings(SettingsModel):
    """How metrics are computed, where there are masks or labels."""

    crop: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Share of the frame cut from each side, for metrics besides those of the whole frame."""


class MaskSettings(SettingsModel):
    """Where masks are and what they mean, if neither shows by itself."""

    positive: Annotated[tuple[float, ...], Field(min_length=1), Strict(False)] | None = None
    """The values in the masks that are anomalous. null: found from the masks of the collection."""
    pattern: str | None = None
    """Which files below path are masks, as truth/*/{stem}_defect.png: {stem} is the image's name without its suffix, *
    is anything. null: those in folders such as ground_truth and masks, and those beside their images with names such as
    7_mask, 7_GT and 7_label."""

    @field_validator("pattern")
    @classmethod
    def _has_stem(cls, pattern: str | None) -> str | None:
        if pattern is not None and "{stem}" not in pattern:
            raise ValueError("has no {stem}, which stands for the name of the image")
        return pattern


class SharedSettings(SettingsModel):
    """What holds for all collections, unless one has its own."""

    images_per_job: Literal["auto"] | Count = "auto"
    """Images that a job works through. auto: 32, more where images are small (as many as 16 MiB of files hold, up to
    1024) or very many (a five-hundredth of them); 1: a job for each image."""
    features: FeatureSettings = FeatureSettings()
    """Which features are computed, and how they are stored."""
    detectors: Annotated[dict[DetectorName, DetectorEntry], Field(min_length=1)] = {"blind": DetectorEntry()}  # noqa: RUF012
    """One entry for each detector, with its settings. The name is the method's, or ``method`` says which one runs:
    fca_small: {method: fca, patch_size: 5}."""
    threshold: ThresholdSettings = FalseAlarmRate()
    """Which images and which pixels of them are anomalous, found without labels. A threshold of yours replaces this
    one as a whole."""
    clustering: ClusteringSettings = ClusteringSettings()
    """How images are sorted into kinds."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """How metrics are computed, where there are masks or labels."""


class CollectionSettings(SharedSettings):
    """One collection: images of one texture."""

    path: UserPath | None = None
    """Folder, sample sheet or stack of images (pile.h5:/images, pile.zarr, pile.tif); a relative path begins where the
    run is started. ``tiles: /data/tiles`` is short for ``tiles: {path: /data/tiles}``."""
    layout: Literal["auto", "folder", "mvtec", "sheet", "hdf5", "zarr", "tiff_stack", "demo"] = "auto"
    """How the images lie there. folder: flat or nested, without labels; mvtec: test/<kind>, ground_truth/<kind>; sheet:
    CSV or Parquet with image, mask, label; demo: made by firstsight, from one ``texture``."""
    texture: Literal["brick", "grass", "gravel"] | None = None
    """Which photograph the demo collection is cut from."""
    missing: UserPath | None = None
    """Folder of masks of missing pixels: a file for an image, with the path that the image has in the collection, but
    for the suffix."""
    ignore: UserPath | None = None
    """Mask of pixels that are no part of the texture, such as a table's edge or a selvedge: a file for all images, or a
    folder with a file for an image, named as in ``missing``. They are in no region, metric or map that is exported."""
    pages: Literal["auto", "first", "all"] | Count = "auto"
    """Which pages of a TIFF in a folder are images. auto: all where they are of one size, else the largest, the first
    of several; first: always that one; all: all; a number: that page, counted from 1. Thumbnails, pyramid levels and
    masks among the pages are never images."""
    axes: Literal["auto", "HW", "HWC", "NHW", "NHWC"] = "auto"
    """What the axes of a data set in HDF5 or Zarr are: images (N), height, width, channels. auto: three axes are NHW,
    or HWC if the last one can only be channels; four are NHWC."""
    value_range: Literal["auto"] | Annotated[tuple[float, float], Strict(False)] = "auto"
    """The values that are black and white: [0, 4095]. auto: of images of 8 bits 0 and 255; of others found once for the
    collection, from what their files say or from a sample of their values."""
    reference: UserPath | None = None
    """Folder of normal images of this texture, at any depth, for padim, patchcore and cfa. With layout mvtec,
    train/good (or train/ok and its like) is found by itself. Normal images are not searched, even where the collection
    lists them."""
    normal_label: str | int | Annotated[tuple[str | int, ...], Field(min_length=1), Strict(False)] | None = None
    """Label, or labels, of images without an anomaly, in folders and sheets. null: good, ok, normal, negative,
    defect-free, 0 and their like."""
    mask: MaskSettings = MaskSettings()
    """Where masks are and what they mean, if neither shows by itself."""
    when: Literal["files"] | None = None
    """When images were taken, for the kinds of groups over time. null: as the column time of a sheet says; files: that,
    or else when a file was last written."""
    contaminated: bool = False
    """Whether detectors that learn from normal images learn from the collection itself, anomalies and all."""
    assign_to: str | None = None
    """Name of a collection: these are new images, compared with its models, threshold and clusters (`snakemake
    assign`). They have no features, detectors, threshold, clustering, value_range, reference or contaminated of their
    own."""

    @property
    def normal_labels(self) -> tuple[str, ...]:
        """The labels that ``normal_label`` names."""
        given = self.normal_label
        if given is None:
            return ()
        return tuple(map(str, given)) if isinstance(given, tuple) else (str(given),)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        return {"path": given} if isinstance(given, str) else given

    @field_validator("value_range")
    @classmethod
    def _grows(cls, limits: Any) -> Any:
        if limits != "auto" and not (math.isfinite(limits[1] - limits[0]) and limits[0] < limits[1]):
            raise ValueError("must be two numbers, the smaller one first")
        return limits

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.reference is not None and self.contaminated:
            raise misplaced("reference", "normal images, and contaminated: true, exclude each other")
        unused = ("path", "missing", "ignore", "when") if self.layout == "demo" else ("texture",)
        needed = "texture" if self.layout == "demo" else "path"
        if getattr(self, needed) is None:
            meaning = first_sentence(str(type(self).model_fields[needed].description))
            raise misplaced(None, f"the key {needed} is missing ({meaning})")
        for key in unused:
            if getattr(self, key) is not None:
                raise misplaced(key, f"has no meaning with layout {self.layout}")
        return self


class Config(SharedSettings):
    """A whole run."""

    clustering: RunClusteringSettings = RunClusteringSettings()
    """How images are sorted into kinds, within collections and across them."""
    results: Annotated[UserPath, Field(json_schema_extra={"minLength": 1})] = Path("results")
    """Folder of everything that a run makes."""
    collections: Annotated[dict[CollectionName, CollectionSettings], Field(min_length=1)] = {  # noqa: RUF012
        "demo_brick": CollectionSettings(layout="demo", texture="brick"),
        "demo_grass": CollectionSettings(layout="demo", texture="grass"),
        "demo_gravel": CollectionSettings(layout="demo", texture="gravel"),
    }
    """One entry for each collection of images of one texture. Its name becomes a folder below the results. It may have
    images_per_job, features, detectors, threshold, clustering and evaluation of its own, where they differ from
    those of all."""
    papers: dict[CollectionName, PaperCollection] = {}  # noqa: RUF012
    """Collections that are data sets of the papers, for ``snakemake papers``; ``firstsight papers`` writes this."""
    export: ExportSettings = ExportSettings()
    """What ``snakemake export`` writes to results/exports."""
    gpu_request: Literal["gpu", "gres", None] = "gpu"
    """How jobs whose device is auto or cuda ask a cluster for a GPU. gpu: `--gpus`; gres: `--gres`; null: they do
    not."""
    dask: DaskSettings = DaskSettings()
    """Where jobs over all shards of a collection run their tasks."""
    names: UserPath | None = None
    """CSV file of the names that a person gave to clusters: collection, detector, medoid, name."""
    verdicts: VerdictSettings = VerdictSettings()
    """What a person said on the page of a run. ``verdicts: verdicts.csv`` is short for ``verdicts: {file:
    verdicts.csv}``."""

    @model_validator(mode="after")
    def _papers_have_collections(self) -> Self:
        for name in self.papers:
            if name not in self.collections:
                text = f"is no collection; {suggestion(name, self.collections)}"
                raise misplaced("papers", f"{name} {text}")
        return self
