"""One folder as one zip file with the same bytes each time, and back again without trusting it."""

import re
import stat
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError, storage_error

__all__ = ["LIMITS", "Limits", "pack", "unpack"]

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can hold."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@#-]*(/[A-Za-z0-9][A-Za-z0-9._@#-]*){0,4}")
_LONGEST = 200
_CHUNK = 1 << 20
_ENCRYPTED = 0x1


@dataclass(frozen=True)
class Limits:
    """What an archive may hold: files, bytes in one file and in all, and how far a file may have been compressed.

    Files under `small` bytes may be compressed as far as they will go.
    """

    files: int = 100_000
    file: int = 2 << 30
    total: int = 8 << 30
    ratio: int = 200
    small: int = 1 << 20


LIMITS = Limits()


def pack(folder: Path, target: Path) -> None:
    """Write every file below `folder` to `target`, sorted by name and without times; whole or not at all."""
    files = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as draft:
            made = Path(draft) / "archive"
            with zipfile.ZipFile(made, "w") as archive:
                for name, path in files:
                    archive.writestr(_entry(name), path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)
            made.chmod(0o644)
            made.replace(target)
    except OSError as error:
        raise storage_error(error, target) from error


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=_EPOCH)
    entry.create_system = 3  # Unix, whatever the system: it says what the attributes mean
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


def unpack(source: Path, folder: Path, limits: Limits = LIMITS) -> list[str]:
    """Write the files of an archive below `folder`, an empty one; return their names, sorted.

    Nothing is written unless every entry is a plain file with a plain relative name of its
    own, within `limits`. Raises DataError that lists what is wrong.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            problems = _problems(entries, limits)
            if problems:
                raise DataError(f"{source} is refused:\n" + "\n".join(f"  {line}" for line in problems))
            for entry in entries:
                _extract(archive, entry, folder)
    except (OSError, zipfile.BadZipFile, EOFError, ValueError, RuntimeError, zlib.error) as error:
        raise DataError(f"{source} cannot be read as a zip file: {error}") from error
    return sorted(entry.filename for entry in entries)


def _problems(entries: list[zipfile.ZipInfo], limits: Limits) -> list[str]:
    """Say what is wrong with the list of an archive's entries, before any is read."""
    if len(entries) > limits.files:
        return [f"it holds {len(entries):,} files, more than {limits.files:,}"]
    total = sum(entry.file_size for entry in entries)
    found = [f"it unpacks to {total:,} bytes, more than {limits.total:,}"] if total > limits.total else []
    seen: set[str] = set()
    for entry in entries:
        found += [f"{entry.filename[:80]!r} {problem}" for problem in _entry_problems(entry, limits)]
        if entry.filename.casefold() in seen:
            found.append(f"{entry.filename[:80]!r} is there more than once, capital letters aside")
        seen.add(entry.filename.casefold())
    return found


def _entry_problems(entry: zipfile.ZipInfo, limits: Limits) -> list[str]:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    # `orig_filename`: zipfile itself cuts a name at a NUL and turns its separators
    plain = entry.filename == entry.orig_filename and _NAME.fullmatch(entry.filename)
    packed_far = entry.file_size > limits.small and entry.file_size > limits.ratio * entry.compress_size
    checks = {
        "has a name that a bundle does not use": not plain or len(entry.filename) > _LONGEST,
        "is no plain file": kind not in (0, stat.S_IFREG),
        "is encrypted": bool(entry.flag_bits & _ENCRYPTED),
        "is compressed in a way that a bundle does not use": entry.compress_type
        not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
        f"unpacks to {entry.file_size:,} bytes, more than {limits.file:,}": entry.file_size > limits.file,
        f"unpacks to more than {limits.ratio} times its size": packed_far,
    }
    return [problem for problem, holds in checks.items() if holds]


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    """Write one file; never more than it claims to hold."""
    target = folder / entry.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    left = entry.file_size
    with archive.open(entry) as file, target.open("xb") as made:
        while chunk := file.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise zipfile.BadZipFile(f"{entry.filename} holds more than its {entry.file_size:,} bytes")
            made.write(chunk)
    if left:
        raise zipfile.BadZipFile(f"{entry.filename} holds fewer than its {entry.file_size:,} bytes")
