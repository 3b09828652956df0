"""A sweep's results on object storage, below `results/<sweep>`: brought before it goes on, put as it does."""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from harness.errors import StorageError
from harness.names import is_plain_name, require_plain_names
from harness.record import RunRecord, put_in_place, read_record
from harness.remote.folders import DamagedThereError, bring_folder, put_folder
from harness.remote.growing import GROWING, joined
from harness.remote.storage import Remote, RemoteError
from harness.store import write_file
from harness.sums import SUMS, parse_sums, sums_of, write_file_and_sum

__all__ = ["RemoteResults"]

_log = logging.getLogger(__name__)

_AT_ONCE = 8
"""Runs that are brought at a time."""

_RECORD = "record.json"
_SUM = ".sha256"
_KEPT = ("environment/*", "plans/*", "queries/*/*")
"""Files that are written whole: what runs and plans were, and tables of queries."""


class RemoteResults:
    """What of a sweep's folder others go on from: its plan, ledger, points, runs and what is known of its queries.

    `bring` must have ended before anything is put. All methods raise RemoteError where the
    place cannot be reached.
    """

    def __init__(self, remote: Remote, folder: Path) -> None:
        require_plain_names(folder, [folder.name])
        self.place = f"results/{folder.name}"
        self._remote = remote
        self._folder = folder
        self._names: set[str] = set()
        self._grown: dict[str, bytes] = {}
        self._runs: dict[str, bytes] = {}
        """Checksums of the runs that are there, by fingerprint."""

    def bring(self, *, late: bool = False) -> None:
        """Bring what is there and not here.

        A run that has finished here is never replaced: StorageError if it has finished there
        with another content. `late`, after runs have been carried out by the plan that is
        here, also for a plan there that amends it.
        """
        self._names = set(self._remote.names(self.place))
        self._bring_grown(late=late)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            there = sorted(name.split("/")[1] for name in self._names if _is_run(name))
            list(pool.map(self._bring_run, there))
        for name in sorted(self._names):
            if _is_kept(name) and not (self._folder / name).exists():
                self._bring_file(name)

    def put_run(self, fingerprint: str) -> None:
        """Put the folder of a run that has ended there, unless it is."""
        content = _sums_here(folder := self._folder / "runs" / fingerprint)
        if self._runs.get(fingerprint) != content:
            files = parse_sums(content.decode())
            put_folder(self._remote, f"{self.place}/runs/{fingerprint}", folder, files, (SUMS, content))
            self._runs[fingerprint] = content

    def put_grown(self) -> None:
        """Put the plan, the ledger and what a search has kept there, as far as they have changed."""
        for name in GROWING:
            path = self._folder / name
            if path.exists() and self._grown.get(name) != (content := path.read_bytes()):
                self._remote.write(f"{self.place}/{name}", content)
                self._grown[name] = content

    def put_all(self) -> int:
        """Put all that is not there; return how many runs and files could not be put."""
        failed = 0
        for put in self._everything():
            try:
                put()
            except RemoteError:
                failed += 1
        return failed

    def _everything(self) -> Iterator[Callable[[], None]]:
        for path in sorted((self._folder / "runs").glob(f"[!.]*/{_RECORD}")):
            yield partial(self.put_run, path.parent.name)
        for path in sorted(found for pattern in _KEPT for found in self._folder.glob(pattern)):
            name = path.relative_to(self._folder).as_posix()
            if _is_kept(name):
                yield partial(self._put_file, name)
        yield self._put_search_end
        yield self.put_grown

    def _bring_grown(self, *, late: bool) -> None:
        for name in GROWING:
            there = self._remote.read(f"{self.place}/{name}") if name in self._names else None
            if there is None:
                continue
            path = self._folder / name
            here = path.read_bytes() if path.exists() else None
            stands = there if here is None else joined(name, here, there)
            if late and name == "plan.json" and stands != here:
                message = f"{self._remote.name}/{self.place}/{name} amends the plan that was carried out here"
                raise StorageError(message)
            if stands != here:
                write_file(path, stands)
            self._grown[name] = there

    def _bring_run(self, fingerprint: str) -> None:
        """Settle one run: it is there, and may be here."""
        content = self._remote.read(f"{self.place}/runs/{fingerprint}/{SUMS}")
        target = self._folder / "runs" / fingerprint
        if content is None:
            return
        ours = read_record(target) if (target / _RECORD).exists() else None
        if ours is not None and content == _sums_here(target):
            self._runs[fingerprint] = content
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{fingerprint}-"))
        try:
            theirs = self._checked(fingerprint, content, draft)
            if ours is not None and ours.status == "finished" and theirs.status == "finished":
                raise self._two_contents(target, content)
            if ours is None or theirs.status == "finished":
                put_in_place(draft, target)
                self._runs[fingerprint] = content
        except DamagedThereError as error:
            _log.warning("%s: not brought, and put there anew when it is here", error)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _checked(self, fingerprint: str, content: bytes, draft: Path) -> RunRecord:
        """Copy a run into `draft` and read its record; raise DamagedThereError if it is not as it was put there."""
        name = f"{self.place}/runs/{fingerprint}"
        bring_folder(self._remote, name, parse_sums(content.decode(errors="replace")), draft)
        write_file(draft / SUMS, content)
        try:
            record = read_record(draft)
        except StorageError as error:
            message = f"{self._remote.name}/{name} holds no record of a run"
            raise DamagedThereError(message) from error
        if record.fingerprint != fingerprint:
            message = f"{self._remote.name}/{name} holds the record of {record.fingerprint[:60]}"
            raise DamagedThereError(message)
        return record

    def _two_contents(self, target: Path, there: bytes) -> StorageError:
        ours, theirs = (parse_sums(content.decode()).get(_RECORD) for content in (_sums_here(target), there))
        message = (
            f"{target} has finished here, its record with the SHA-256 {ours}, and on {self._remote.name}/{self.place}, "
            f"with {theirs}: it was carried out twice; move one of the two folders away"
        )
        return StorageError(message)

    def _bring_file(self, name: str) -> None:
        content = self._remote.read(f"{self.place}/{name}")
        if content is None:
            return
        path = self._folder / name
        if name.startswith("plans/") or _digest(content).startswith(path.stem):
            write_file(path, content)  # environments are named by their content
        elif self._remote.read(f"{self.place}/{name}{_SUM}") == _sum(name, content):
            write_file_and_sum(path, content)
        else:
            _log.warning("%s/%s/%s is not what was put there: not brought", self._remote.name, self.place, name)

    def _put_file(self, name: str) -> None:
        content = (self._folder / name).read_bytes()
        if not name.startswith("queries/"):
            if name not in self._names:
                self._remote.write(f"{self.place}/{name}", content)
                self._names.add(name)
        elif self._remote.read(f"{self.place}/{name}{_SUM}") != _sum(name, content):
            self._remote.write(f"{self.place}/{name}", content)
            self._remote.write(f"{self.place}/{name}{_SUM}", _sum(name, content))

    def _put_search_end(self) -> None:
        """Say there why the search ended early, or take away what an earlier call said."""
        path, name = self._folder / "search.json", f"{self.place}/search.json"
        if path.exists():
            self._remote.write(name, path.read_bytes())
        elif path.name in self._names:
            self._remote.delete(name)


def _is_run(name: str) -> bool:
    parts = name.split("/")
    return len(parts) == 3 and parts[0] == "runs" and parts[2] == SUMS  # noqa: PLR2004  # runs/<fingerprint>/<file>


def _is_kept(name: str) -> bool:
    """Tell whether a file is one of those that `_KEPT` means, and no checksum."""
    *folder, file = name.split("/")
    depth = {"environment": 1, "plans": 1, "queries": 2}
    return bool(folder) and len(folder) == depth.get(folder[0]) and is_plain_name(file) and not file.endswith(_SUM)


def _sums_here(folder: Path) -> bytes:
    """Return the checksums of a run; those of one from before there were any are made."""
    path = folder / SUMS
    return path.read_bytes() if path.exists() else sums_of(folder)


def _sum(name: str, content: bytes) -> bytes:
    return f"{_digest(content)}  {Path(name).name}\n".encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
