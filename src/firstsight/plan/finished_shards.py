"""The shards of an earlier run, which keep their images when others are added."""

import json
from pathlib import Path

from firstsight.collections.shards import members_digest
from firstsight.errors import FirstsightError
from firstsight.plan.paths import paths_below


def finished_shards(results: Path, collection: str) -> dict[str, tuple[str, ...]]:
    """The members of each finished shard; one whose members are no longer known is left out, and so planned again.

    Args:
        results: the run's results.
        collection: its name.

    Raises:
        FirstsightError: a file that is there cannot be read.
    """
    paths = paths_below(results)
    finished = {}
    for folder in Path(paths.shards.format(collection=collection)).glob("*"):
        written = Path(paths.members.format(collection=collection, shard=folder.name))
        if not written.exists():
            continue
        members = _read_members(written)
        if not _is_named_by(folder.name, members):
            members = _members_of_manifest(Path(paths.manifest.format(collection=collection, shard=folder.name)))
        if _is_named_by(folder.name, members):
            finished[folder.name] = members
    return finished


def _is_named_by(shard: str, members: tuple[str, ...]) -> bool:
    return members_digest(members).startswith(shard)


def _read_members(path: Path) -> tuple[str, ...]:
    """What `firstsight.stages.manifest` wrote; nothing where the file is damaged."""
    try:
        return tuple(map(str, json.loads(path.read_text(encoding="utf-8"))))
    except OSError as error:
        raise FirstsightError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError):
        return ()


def _members_of_manifest(manifest: Path) -> tuple[str, ...]:
    """The members of a shard by its rows of the table `images`; nothing where these cannot be read."""
    # Importing pandas takes a while, and a file is rarely damaged.
    from firstsight.storage.tables import read_table  # noqa: PLC0415

    try:
        return tuple(read_table(manifest)["image"])
    except FirstsightError:
        return ()
