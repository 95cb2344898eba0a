"""The file that keeps the kinds of a collection, for images that come later."""

from pathlib import Path

import numpy as np

from firstsight.clustering.kinds import FAR, Kinds
from firstsight.clustering.normalisation import Normalisation
from firstsight.errors import DamagedError, FirstsightError
from firstsight.storage.archives import refuse_damaged, write_arrays

FORMAT = 4


def save_kinds(path: Path, kinds: Kinds) -> None:
    """Write kinds as npz without pickled objects, beside ``path`` first and then renamed."""
    write_arrays(
        path,
        format=np.array(FORMAT),
        mean=kinds.normalisation.mean,
        deviation=kinds.normalisation.deviation,
        limit=np.array(kinds.normalisation.limit),
        centres=kinds.centres,
        known=kinds.known,
        isolation=np.array([kinds.isolation, kinds.isolation_of_directions]),
        images=np.array(kinds.images, dtype=np.str_),
        cluster=kinds.cluster,
        distance=kinds.distance,
        medoids=np.array(kinds.medoids, dtype=np.str_),
        names=np.array(kinds.names, dtype=np.str_),
        normal=np.array(FAR if kinds.normal is None else kinds.normal),
        support=kinds.support,
        origin=np.array([kinds.counted, kinds.collection, kinds.detector], dtype=np.str_),
    )


def save_no_kinds(path: Path) -> None:
    """Write, in the place of kinds, what `load_kinds` refuses with the reason that no image has a map."""
    write_arrays(path, format=np.array(FORMAT))


def load_kinds(path: Path) -> Kinds:
    """Read kinds that `save_kinds` wrote.

    Raises:
        FirstsightError: the file is missing, of another version, or of a collection without maps.
        DamagedError: the file is damaged.
    """
    try:
        refuse_damaged(path)
        with np.load(path, allow_pickle=False) as stored:
            if int(stored["format"]) != FORMAT:
                raise FirstsightError(f"{path}: kinds of another version of firstsight; run the clustering again")
            if "centres" not in stored:
                raise FirstsightError(f"{path}: there are no kinds, since no image of that collection has a map")
            normal = int(stored["normal"])
            counted, collection, detector = (str(name) for name in stored["origin"])
            return Kinds(
                normalisation=Normalisation(stored["mean"], stored["deviation"], float(stored["limit"])),
                centres=stored["centres"],
                known=stored["known"],
                isolation=stored["isolation"][0],
                isolation_of_directions=stored["isolation"][1],
                images=tuple(str(image) for image in stored["images"]),
                cluster=stored["cluster"],
                distance=stored["distance"],
                names=tuple(str(name) for name in stored["names"]),
                medoids=tuple(str(image) for image in stored["medoids"]),
                normal=None if normal == FAR else normal,
                support=stored["support"],
                counted=counted,  # type: ignore[arg-type]
                collection=collection,
                detector=detector,
            )
    except FileNotFoundError as error:
        raise FirstsightError(f"{path}: there are no such kinds") from error
    except (KeyError, ValueError) as error:
        if isinstance(error, FirstsightError):
            raise
        raise DamagedError(f"{path}: not the kinds of a collection, or damaged", path) from error
