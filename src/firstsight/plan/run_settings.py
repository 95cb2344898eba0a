"""Settings that hold for a whole run and for no single collection: what it exports, where its tasks run, what a person
said of an earlier one, and what its collections stand for in the papers' tables."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, Strict, field_validator, model_validator

from firstsight.errors import suggestion
from firstsight.papers.data_sets import DATA_SETS
from firstsight.papers.presets import DEFAULTS, PRESETS
from firstsight.settings_model import Count, SettingsModel, UserPath, misplaced

ExportFormat = Literal["coco", "masks", "tiff", "hdf5", "label_studio", "embedding_atlas"]


class PaperCollection(SettingsModel):
    """What a collection stands for in the papers' tables."""

    data_set: Annotated[str, Field(json_schema_extra={"enum": list(DATA_SETS)})]
    """Which data set of the papers it is."""
    texture: str = ""
    """Which texture of the data set it is, if it has several."""
    preset: Annotated[str, Field(json_schema_extra={"enum": [DEFAULTS, *PRESETS]})] = DEFAULTS
    """The experiment that its settings follow; defaults: firstsight's own settings."""
    differs: Annotated[tuple[str, ...], Strict(False)] = ()
    """What is otherwise than in the paper, in words for the page."""

    @field_validator("data_set")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in DATA_SETS:
            raise ValueError(f"is no data set of the papers; {suggestion(name, DATA_SETS)}")
        return name

    @field_validator("preset")
    @classmethod
    def _is_experiment(cls, name: str) -> str:
        if name not in {DEFAULTS, *PRESETS}:
            raise ValueError(f"is no preset; {suggestion(name, [DEFAULTS, *PRESETS])}")
        return name


class ExportSettings(SettingsModel):
    """What ``snakemake export`` writes to ``<results>/exports``."""

    formats: Annotated[tuple[ExportFormat, ...], Field(min_length=1), Strict(False)] = get_args(ExportFormat)
    """Formats, at least one."""

    @field_validator("formats")
    @classmethod
    def _once(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(formats)) < len(formats):
            raise ValueError("has a format twice")
        return formats


class DaskSettings(SettingsModel):
    """Where jobs over all shards of a collection (fit, threshold, evaluate, tables, compare) run their tasks."""

    scheduler: Annotated[str, Field(pattern=r"^(local|slurm|tcp://[^/:]+:[0-9]+)$")] = "local"
    """local: in the job itself, with its threads; tcp://host:port: on the workers of a running scheduler
    of dask; slurm: on workers that each of these jobs asks Slurm for."""
    workers: Count = 4
    """With slurm: workers of one core each, that a job starts for itself."""
    memory_mb: Annotated[int, Field(ge=500)] = 4000
    """With slurm: memory of a worker, megabytes."""
    minutes: Count = 60
    """With slurm: time of a worker."""

    @model_validator(mode="after")
    def _workers_are_of_slurm(self) -> Self:
        for key in self.model_fields_set - {"scheduler"}:
            if self.scheduler != "slurm":
                raise misplaced(key, f"has no meaning with scheduler {self.scheduler}, only with slurm")
        return self


class VerdictSettings(SettingsModel):
    """What a person said on the page of a run, and what is made of it."""

    file: UserPath | None = None
    """CSV file that the page saved: regions judged normal or not of interest are left out of kinds and exports, kinds
    get their names."""
    use: Literal["threshold"] | None = None
    """threshold: where images with a defect and normal ones were judged, the threshold becomes the nearest at which
    they are best told apart; null: verdicts change no threshold."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        return {"file": given} if isinstance(given, str) else {} if given is None else given

    @model_validator(mode="after")
    def _has_a_file(self) -> Self:
        if self.use is not None and self.file is None:
            raise misplaced("use", "needs verdicts.file, the file of verdicts")
        return self
