"""Checksums beside files, in the form that `sha256sum --check` reads, and a place aside for what fails them."""

import hashlib
import logging
import tempfile
from pathlib import Path

from harness.errors import StorageError, storage_error
from harness.fingerprint import file_digest
from harness.store import write_file

__all__ = [
    "SUMS",
    "differing",
    "intact_contents",
    "parse_sums",
    "require_intact",
    "set_aside",
    "sums_of",
    "write_file_and_sum",
    "write_sums",
]

_LOG = logging.getLogger(__name__)

SUMS = "SHA256SUMS"
"""The name of the file that holds the checksums of the other files of its folder."""

_DIGITS = 64


def write_sums(folder: Path) -> None:
    """Write the checksums of the files in a folder, which is complete by now; raise StorageError if that fails."""
    write_file(folder / SUMS, sums_of(folder))


def sums_of(folder: Path) -> bytes:
    """Return the checksums of the files in a folder, as `write_sums` writes them."""
    lines = [f"{file_digest(path)}  {path.name}\n" for path in sorted(folder.iterdir()) if path.name != SUMS]
    return "".join(lines).encode()


def parse_sums(text: str) -> dict[str, str]:
    """Return checksum by name; nothing at all where one line is not of the form."""
    parts = [line.partition("  ") for line in text.splitlines()]
    well_formed = all(len(digits) == _DIGITS and name and Path(name).name == name for digits, _, name in parts)
    return {name: digits for digits, _, name in parts} if well_formed else {}


def differing(folder: Path) -> list[str] | None:
    """Name the files of a folder that are missing or not as they were written; None if no checksums were kept."""
    sums = _read(folder / SUMS)
    if sums is None:
        return None
    return [name for name, expected in sums.items() if not _matches(folder / name, expected)] if sums else [SUMS]


def intact_contents(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder once; raise StorageError unless they are all that was written, as it was written."""
    try:
        found = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != SUMS}
    except OSError as error:
        message = f"{folder} cannot be read: {error.strerror}"
        raise StorageError(message) from error
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in found.items()}
    if digests != _read(folder / SUMS):
        message = f"{folder} is damaged: its files are not those that {SUMS} lists"
        raise StorageError(message)
    return found


def write_file_and_sum(path: Path, content: bytes) -> Path:
    """Write a checksum as `<name>.sha256`, and then its file whole; raise StorageError if either fails.

    What was there before goes first: killed in between, there is a checksum of no file,
    never a file beside the checksum of another.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, path) from error
    write_file(_sum_of(path), f"{hashlib.sha256(content).hexdigest()}  {path.name}\n".encode())
    return write_file(path, content)


def require_intact(path: Path) -> None:
    """Raise StorageError if a file is not as it was written; what was kept without a checksum passes."""
    for kept in (path.with_name(SUMS), _sum_of(path)):
        sums = _read(kept)
        if sums is None:
            continue
        expected = sums.get(path.name)
        if not sums or (expected is not None and not _matches(path, expected)):
            what = path if sums else kept
            message = (
                f"{what} is damaged: it is not what was written; the sweep's own command sets it aside and goes on"
            )
            raise StorageError(message)


def set_aside(path: Path, place: Path, why: str) -> Path:
    """Move a file or folder into a new folder below `place` and log why; return where it is now."""
    place.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=place, prefix=f"{path.name}-")) / path.name
    path.rename(aside)
    if (kept := _sum_of(path)).exists():
        kept.rename(aside.with_name(kept.name))
    _LOG.warning("%s is damaged (%s): set aside as %s", path, why, aside)
    return aside


def _sum_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _matches(path: Path, expected: str) -> bool:
    try:
        return file_digest(path) == expected
    except OSError:
        return False


def _read(path: Path) -> dict[str, str] | None:
    """Return checksum by name; None where there is no such file, nothing at all where one line is not of the form."""
    try:
        return parse_sums(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        return {}
