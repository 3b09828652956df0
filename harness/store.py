"""Content-addressed artefacts on disk: atomic, checksummed, locked; what fails its checksum is set aside."""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from harness.errors import storage_error
from harness.fingerprint import file_digest
from harness.remote.storage import Remote
from harness.remote.store import MANIFEST, bring_artefact, put_artefact, unsent

__all__ = ["Store", "append_line", "sync", "writable", "write_file"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Store:
    """A folder of artefacts, each a folder of files under `<root>/<kind>/<key>`.

    The key names all that the content depends on, so that an artefact, once there, is
    never changed. A manifest with the SHA-256 of every file is written last, and checked
    at each read. With `remote`, an artefact that is not here but there is brought, and one
    that is here is put there; where the remote place fails, all goes on as without it.
    """

    root: Path
    remote: Remote | None = None

    def fetch(self, kind: str, key: str, build: Callable[[Path], None]) -> Path:
        """Return the artefact's folder; build it first if it is not there or not intact.

        `build` fills an empty folder. Of several processes that ask at once, one builds
        and the others wait. Raises StorageError if the artefact cannot be written.
        """
        target = self.root / kind / key
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(str(target) + ".lock"):
                if not self._intact(target):
                    self._build(target, build)
                if self.remote is not None:
                    put_artefact(self.remote, target)
        except OSError as error:
            raise storage_error(error, target) from error
        return target

    def holds(self, kind: str, key: str) -> bool:
        """Say whether the artefact has been built; its files are not read."""
        return (self.root / kind / key / MANIFEST).exists()

    def catch_up(self) -> int:
        """Put what could not be put earlier; return how many artefacts still could not be."""
        if self.remote is None:
            return 0
        for target in unsent(self.remote, self.root):
            put_artefact(self.remote, target)
        return sum(1 for _ in unsent(self.remote, self.root))

    def _build(self, target: Path, build: Callable[[Path], None]) -> None:
        for abandoned in target.parent.glob(f".{target.name}-*"):
            shutil.rmtree(abandoned)  # by a process that was killed: the lock is ours
        draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        try:
            if self.remote is None or not bring_artefact(self.remote, target, draft):
                build(draft)
            sums = {path.name: file_digest(path) for path in sorted(draft.iterdir())}
            manifest = draft / MANIFEST
            manifest.write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")
            for path in draft.iterdir():
                sync(path)
            draft.rename(target)
            sync(target.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _intact(self, target: Path) -> bool:
        """Check every file against the manifest; move a damaged artefact out of the way."""
        if not target.exists():
            return False
        try:
            sums: dict[str, str] = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
            damaged = [name for name, expected in sums.items() if file_digest(target / name) != expected]
        except (OSError, ValueError) as error:
            damaged = [str(error)]
        if not damaged:
            return True
        aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f"damaged-{target.name}-"))
        target.rename(aside / target.name)
        _LOG.warning("%s is damaged (%s): set aside as %s and built anew", target, ", ".join(damaged), aside)
        return False


def sync(path: Path) -> None:
    """Wait until a file, or the list of a folder's files, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: Path, content: bytes) -> Path:
    """Write a file so that it is there in full or not at all; raise StorageError if it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise storage_error(error, path) from error
    return path


def append_line(path: Path, line: bytes, behind: int) -> None:
    """Put a line behind the first bytes of a file, and wait until it is on the disk; what a crash left there goes.

    `behind` counts bytes. Raises StorageError if it cannot be written.
    """
    try:
        new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.truncate(behind)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync(path.parent)
    except OSError as error:
        raise storage_error(error, path) from error


def writable(root: Path) -> None:
    """Make sure that files can be made under `root`; raise StorageError if not."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise storage_error(error, root) from error
