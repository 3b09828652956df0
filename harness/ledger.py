"""The ledger of a sweep: one line for every attempt at a run that has ended, in the order of their ends."""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from harness.damaged import DAMAGED
from harness.errors import StorageError, storage_error
from harness.record import RunRecord, parse_record, read_record
from harness.spec import Spec
from harness.store import append_line, write_file
from harness.sums import set_aside

__all__ = ["Entry", "Ledger"]


class Entry(Spec):
    """How an attempt ended.

    `attempt` counts from 1. `token` is that of the lease under which the record was
    written, 0 where it is not known. `digest` is the SHA-256 of `record.json`. `seconds`
    of work, over all stages; `device` is empty where the worker died.
    """

    fingerprint: str
    status: Literal["finished", "failed"]
    attempt: int
    token: int
    digest: str
    seconds: float
    device: str


class Ledger:
    """The file `ledger.jsonl` beside `runs`; written by the process that holds the sweep's lock, and by no other.

    What is left to do is known from the ledger and one listing of `runs`: a run is
    finished if its last line says so and its folder is there. Opening adds the lines of
    records that were written just before an earlier process was killed. A ledger with a
    line that cannot be read is set aside, and begun anew with those that can: what the
    others said is in the records. Raises StorageError if the ledger cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ledger.jsonl"
        self._runs = folder / "runs"
        self._last: dict[str, Entry] = {}
        self._attempts: dict[str, int] = {}
        self._whole = 0
        """Bytes of the file up to its last newline; what stands behind was torn off by a crash."""
        for entry in self._entries():
            self._know(entry)
        self._there = {path.name for path in self._runs.glob("[!.]*")}
        self._catch_up()

    def finished(self, fingerprint: str) -> bool:
        """Say whether a run has finished, and its folder has not been deleted since."""
        last = self._last.get(fingerprint)
        return last is not None and last.status == "finished" and fingerprint in self._there

    def record(self, fingerprint: str) -> RunRecord:
        """Read the record of a run; raise StorageError if it is not the one that the ledger knows."""
        path = self._runs / fingerprint / "record.json"
        content = _content(path)
        last, found = self._last.get(fingerprint), hashlib.sha256(content).hexdigest()
        if last is not None and last.digest != found:
            message = (
                f"{path} has the SHA-256 {found}, but {self._path} says {last.digest}: it was changed"
                " or damaged after the run had ended; put the original back, or delete its folder to run it again"
            )
            raise StorageError(message)
        return parse_record(content, path)

    def add(self, fingerprint: str, token: int = 0) -> RunRecord:
        """Add a line for the record that a run has just left, unless it has one; return the record."""
        folder = self._runs / fingerprint
        record, digest = read_record(folder), hashlib.sha256(_content(folder / "record.json")).hexdigest()
        self._there.add(fingerprint)
        last = self._last.get(fingerprint)
        if last is None or last.digest != digest:
            entry = Entry(
                fingerprint=fingerprint,
                status=record.status,
                attempt=max(self._attempts.get(fingerprint, 0), len(record.earlier)) + 1,
                token=token,
                digest=digest,
                seconds=round(sum(record.timings.values()), 3),
                device=record.environment.device if record.environment else "",
            )
            self._append(entry)
        return record

    def _catch_up(self) -> None:
        """Add the records that have no line; a failure may have given way to a later attempt."""
        for fingerprint in sorted(self._there):
            last = self._last.get(fingerprint)
            unknown = last is None or last.status == "failed"
            if unknown and (self._runs / fingerprint / "record.json").exists():
                self.add(fingerprint)

    def _know(self, entry: Entry) -> None:
        self._last[entry.fingerprint] = entry
        self._attempts[entry.fingerprint] = max(self._attempts.get(entry.fingerprint, 0), entry.attempt)

    def _entries(self) -> list[Entry]:
        """Read the lines, but for a last one without its newline; set the file aside if one of them is no entry."""
        content = self._read()
        self._whole = content.rfind(b"\n") + 1
        lines = content[: self._whole].splitlines(keepends=True)
        read = {line: entry for line in lines if (entry := _entry(line))}
        unread = [number for number, line in enumerate(lines, 1) if line not in read]
        if unread:
            self._begin_anew([line for line in lines if line in read], f"line {unread[0]} is no entry of a ledger")
        return [read[line] for line in lines if line in read]

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            message = f"cannot read {self._path}: {error.strerror}"
            raise StorageError(message) from error

    def _begin_anew(self, lines: list[bytes], why: str) -> None:
        try:
            set_aside(self._path, self._path.parent / DAMAGED, why)
        except OSError as error:
            raise storage_error(error, self._path) from error
        whole = b"".join(lines)
        write_file(self._path, whole)
        self._whole = len(whole)

    def _append(self, entry: Entry) -> None:
        line = entry.model_dump_json().encode() + b"\n"
        append_line(self._path, line, behind=self._whole)
        self._whole += len(line)
        self._know(entry)


def _entry(line: bytes) -> Entry | None:
    try:
        return Entry.model_validate_json(line)
    except ValidationError:
        return None


def _content(path: Path) -> bytes:
    """Return the bytes of a run's record; raise StorageError if there is none."""
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise StorageError(message) from error
