"""What of a sweep is to be mirrored: a file that is only ever appended to, and how far it has been sent."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

from pydantic import ValidationError

from harness.damaged import DAMAGED
from harness.errors import StorageError, storage_error
from harness.redaction import redacted_text
from harness.spec import Spec
from harness.store import write_file
from harness.sums import set_aside

__all__ = ["NAME", "Entry", "Kind", "Outbox", "entries_after", "read_position", "write_position"]

NAME = "outbox.jsonl"
POSITION = "outbox.position"

Kind = Literal["planned", "started", "finished", "failed", "reported", "interrupted"]


class Entry(Spec):
    """One thing to mirror; everything else is read from the results when it is sent.

    `run` is the fingerprint of a run; `files` are those of a report, relative to the
    results folder, and `answer` is its first sentence. `at` is in seconds since 1970.
    """

    kind: Kind
    at: float
    run: str = ""
    answer: str = ""
    files: tuple[str, ...] = ()


class Outbox:
    """The outbox of one results folder, open for appending; one process at a time may have it open.

    A last line that a crash tore is cut off: what it meant is found in the results. An
    outbox with another line that cannot be read is set aside, and everything is sent once
    more. Raises StorageError where the file cannot be written.
    """

    def __init__(self, results: Path) -> None:
        self._path = results / NAME
        try:
            _cut_torn_end(self._path)
            _set_aside_unless_read(results)
            _forget_positions_beyond(results)
            self._sent = {(entry.kind, entry.run) for entry, _ in entries_after(results, 0)}
            self._file: BinaryIO = self._path.open("ab", buffering=0)
        except OSError as error:
            raise storage_error(error, self._path) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, kind: Kind, *, run: str = "", answer: str = "", files: tuple[Path, ...] = ()) -> None:
        """Add an entry, and wait until it is on the disk; a finished run that is there already is not added again."""
        if kind == "finished" and (kind, run) in self._sent:
            return
        names = tuple(os.path.relpath(file, self._path.parent) for file in files)
        entry = Entry(kind=kind, at=time.time(), run=run, answer=redacted_text(answer), files=names)
        line = entry.model_dump_json(exclude_defaults=True).encode() + b"\n"
        try:
            if self._file.write(line) != len(line):
                raise StorageError(f"cannot write {self._path}: the disk is full")
            os.fsync(self._file.fileno())
        except OSError as error:
            raise storage_error(error, self._path) from error
        self._sent.add((kind, run))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _cut_torn_end(path: Path) -> None:
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


def _set_aside_unless_read(results: Path) -> None:
    try:
        list(entries_after(results, 0))
    except StorageError as error:
        set_aside(results / NAME, results / DAMAGED, str(error))


def _forget_positions_beyond(results: Path) -> None:
    """Forget how far an outbox was sent that has become shorter, or is gone: it may grow past the position again."""
    path = results / NAME
    size = path.stat().st_size if path.exists() else 0
    if any(position > size for position in _positions(results).values()):
        (results / POSITION).unlink()


def entries_after(results: Path, position: int) -> Iterator[tuple[Entry, int]]:
    """Yield the entries after a position, each with the position behind it; a line under way is left for later.

    Positions count bytes. Raises StorageError for a line that is no entry.
    """
    path = results / NAME
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(position)
        for line in file:
            if not line.endswith(b"\n"):
                return
            position += len(line)
            try:
                entry = Entry.model_validate_json(line)
            except ValidationError as error:
                message = f"{path} is damaged before byte {position}: `winnow track {results} --rebuild` does without"
                raise StorageError(message) from error
            yield entry, position


def read_position(results: Path, destination: str) -> int:
    """Return how far the outbox has been sent to a destination, in bytes; 0 if that is not known."""
    position = _positions(results).get(destination, 0)
    size = (results / NAME).stat().st_size if (results / NAME).exists() else 0
    return position if 0 <= position <= size else 0


def write_position(results: Path, destination: str, position: int) -> None:
    """Remember how far the outbox has been sent; raise StorageError if that cannot be kept."""
    content = _positions(results) | {destination: position}
    write_file(results / POSITION, (json.dumps(content, indent=1) + "\n").encode())


def _positions(results: Path) -> dict[str, int]:
    """Return the position of each destination; a damaged file counts as none, for sending twice does no harm."""
    try:
        content = json.loads((results / POSITION).read_bytes())
    except (OSError, ValueError):
        return {}
    known = content if isinstance(content, dict) else {}
    return {name: position for name, position in known.items() if isinstance(position, int)}
