"""Leases on runs: of several workers that believe a run theirs, only the last to take it can write its record.

A lease is a file that names its owner and a token that rises each time the run is taken.
A worker that was stopped, or cut off, and wakes up after another has taken its run finds
another token under the lock, and changes nothing. No clock is compared with another's:
an observer sees by its own monotonic clock how long a lease's beat has not changed.
"""

import os
import socket
import time
import uuid
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from filelock import FileLock
from pydantic import ValidationError

from harness.errors import StorageError, WinnowError, storage_error
from harness.spec import Spec
from harness.store import write_file

__all__ = ["BEAT_SECONDS", "Lease", "LeaseLostError", "Watch", "beat_of", "take"]

BEAT_SECONDS = 5.0
"""Between two beats of a lease that is held."""


class LeaseLostError(WinnowError):
    """A run was taken over by another worker; nothing of this attempt has been kept."""


class _State(Spec):
    owner: str
    token: int
    beat: int = 0


@dataclass(frozen=True)
class Lease:
    """That a worker holds a run, by the file at `path`; void once another has taken it."""

    path: Path
    owner: str
    token: int

    @contextmanager
    def fence(self) -> Iterator[None]:
        """Keep others from taking the run while inside; raise LeaseLostError if one has taken it."""
        with _locked(self.path):
            self._own()
            yield

    @contextmanager
    def beating(self, every: float = BEAT_SECONDS) -> Iterator[None]:
        """Beat every so many seconds while inside, from a thread."""
        ended = Event()
        thread = Thread(target=self._beat, args=(ended, every), name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def release(self) -> None:
        """Delete the lease of a run that will not be taken again, unless another has it."""
        with _locked(self.path):
            if _is_of(_read(self.path), self):
                self.path.unlink()

    def _own(self) -> _State:
        state = _read(self.path)
        if not _is_of(state, self) or state is None:
            now = "nobody" if state is None else f"{state.owner} with token {state.token}"
            message = f"the lease {self.path} of {self.owner} with token {self.token} is lost: {now} has the run"
            raise LeaseLostError(message)
        return state

    def _beat(self, ended: Event, every: float) -> None:
        while not ended.wait(every):
            try:
                with _locked(self.path):
                    state = self._own()
                    _write(self.path, state.model_copy(update={"beat": state.beat + 1}))
            except WinnowError:
                return  # a lost lease is told when the record is written; a full disk likewise


def take(folder: Path, fingerprint: str) -> Lease:
    """Take a run, from whoever has it; raise StorageError if the lease cannot be written or read."""
    path = folder / f"{fingerprint}.json"
    with _locked(path):
        last = _read(path)
        owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        state = _State(owner=owner, token=1 if last is None else last.token + 1)
        _write(path, state)
    return Lease(path, state.owner, state.token)


def beat_of(folder: Path, fingerprint: str) -> Hashable:
    """Return what changes with every beat of a run's lease, and when the run is taken; None without a lease."""
    state = _read(folder / f"{fingerprint}.json")
    return None if state is None else (state.token, state.beat)


class Watch:
    """Tells for how long something has not changed, by the watcher's own monotonic clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: Hashable = None
        self._since = clock()

    def silent(self, now_seen: Hashable) -> float:
        """Return the seconds since a look that saw something else, or since the watch began."""
        if now_seen != self._seen:
            self._seen, self._since = now_seen, self._clock()
        return self._clock() - self._since


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the one lock of a sweep's leases: what is done under it is short."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.parent / ".lock")
        lock.acquire()
    except OSError as error:
        raise storage_error(error, path) from error
    try:
        yield
    finally:
        lock.release()


def _is_of(state: _State | None, lease: Lease) -> bool:
    return state is not None and (state.owner, state.token) == (lease.owner, lease.token)


def _read(path: Path) -> _State | None:
    try:
        return _State.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        message = f"{path} is no lease: {str(error).splitlines()[0]}"
        raise StorageError(message) from error


def _write(path: Path, state: _State) -> None:
    write_file(path, state.model_dump_json().encode())
