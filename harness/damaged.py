"""Set aside what a sweep has kept and is not as it was written, before it is counted as done."""

from pathlib import Path

from harness.errors import StorageError, storage_error
from harness.record import read_per_query, read_record
from harness.sums import differing, set_aside
from harness.sweep_files import read_points

__all__ = ["DAMAGED", "set_damaged_points_aside", "set_damaged_runs_aside"]

DAMAGED = "damaged"
"""The folder of a sweep that takes what is damaged; nothing in it is ever read or deleted."""


def set_damaged_runs_aside(results: Path) -> list[str]:
    """Move each damaged run of a sweep to `damaged/`, so that it is carried out again; return their fingerprints.

    Every file of a run is read. Raises StorageError if one cannot be moved.
    """
    folders = sorted(path for path in (results / "runs").glob("*") if not path.name.startswith("."))
    found = [(folder, why) for folder in folders if (why := _what_is_wrong(folder))]
    for folder, why in found:
        try:
            set_aside(folder, results / DAMAGED, why)
        except OSError as error:
            raise storage_error(error, results / DAMAGED) from error
    return [folder.name for folder, _ in found]


def set_damaged_points_aside(results: Path) -> None:
    """Move a list of searched points that cannot be read to `damaged/`: the search asks for the same points again."""
    try:
        read_points(results)
    except StorageError as error:
        set_aside(results / "points.jsonl", results / DAMAGED, str(error))


def _what_is_wrong(folder: Path) -> str:
    """Say what is wrong with a run, in a few words; nothing if it is sound."""
    files = differing(folder)
    if files is not None:
        return ", ".join(files)
    try:  # written before there were checksums, or killed by hand
        if read_record(folder).status == "finished":
            read_per_query(folder)
    except StorageError as error:
        return str(error)
    return ""
