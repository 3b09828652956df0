"""A place on object storage, reached through fsspec: files by name, tried again, no secret in any text."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit
from uuid import uuid4

from harness.errors import ConfigError, StorageError
from harness.names import is_plain_name, require_plain_names
from harness.redaction import redacted_text

__all__ = ["VARIABLE", "Remote", "RemoteError"]

_log = logging.getLogger(__name__)

VARIABLE = "WINNOW_REMOTE"
"""The environment variable that stands in for `--remote`."""

_TRIES = 3
_PAUSE_SECONDS = 0.5
"""Before the second try; twice as long before the third."""

_REST_SECONDS = 15.0
"""A place where a call failed for good is left alone for so long: no sweep waits for it at every run.

Shorter than others wait before they take an owner for dead (`harness.remote.owner`).
"""

_FOR_GOOD = (PermissionError, FileNotFoundError, NotImplementedError)
"""Errors that another try does not mend."""

_LOCAL = ("file", "local")
_FLAT = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"})
"""Protocols without folders; others need them made."""

_resting: dict[str, float] = {}
"""By URL, the monotonic time until which a place is left alone; kept by each process for itself."""

T = TypeVar("T")


class RemoteError(StorageError):
    """A remote place could not be read or written; what is here is not affected."""


@dataclass(frozen=True)
class Remote:
    """The files below an fsspec URL such as `s3://bucket/prefix`; can be pickled.

    Names are relative, of plain parts joined by `/`. Every call raises RemoteError where
    the place cannot be reached or refuses, and warns of the first of a series. Making one
    raises ConfigError for a URL that cannot be used here.
    """

    url: str = field(repr=False)

    def __post_init__(self) -> None:
        scheme = self.url.partition("://")[0]
        if "://" not in self.url or "::" in self.url or not scheme:
            message = f"--remote must be one URL such as s3://bucket/prefix, not {redacted_text(self.url)!r}"
            raise ConfigError(message)
        import fsspec

        try:
            fsspec.get_filesystem_class(scheme)
        except (ImportError, ValueError) as error:
            message = f"--remote {self.name}: {redacted_text(str(error))}"
            raise ConfigError(message) from error

    @property
    def name(self) -> str:
        """The URL without credentials and query, for messages."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None where there is none."""
        return self._do("read", name, lambda system, place: cast("bytes", system.cat_file(place)), may_lack=True)

    def get(self, name: str, path: Path) -> bool:
        """Copy a file here, to `path`; return whether there is one."""

        def copy(system: Any, place: str) -> bool:
            system.get_file(place, str(path))
            return True

        return self._do("read", name, copy, may_lack=True) or False

    def put(self, path: Path, name: str) -> None:
        """Copy a file there, in place of what had the name."""
        self._do("write", name, lambda system, place: _whole(system, place, partial(system.put_file, str(path))))

    def write(self, name: str, content: bytes) -> None:
        """Write a small file there, in place of what had the name."""

        def pipe(system: Any, place: str) -> None:
            _whole(system, place, lambda to: system.pipe_file(to, content))

        self._do("write", name, pipe)

    def delete(self, name: str) -> None:
        """Delete a file there, if there is one."""
        self._do("delete", name, lambda system, place: system.rm_file(place), may_lack=True)

    def names(self, folder: str) -> list[str]:
        """List every file below a folder, relative to it, sorted; hidden files and those of strange names left out."""

        def find(system: Any, place: str) -> list[str]:
            system.invalidate_cache()
            return [found.partition(f"{place}/")[2] for found in system.find(place)]

        found = self._do("list", folder, find, may_lack=True) or []
        return sorted(name for name in found if all(map(is_plain_name, name.split("/"))))

    def try_again(self) -> None:
        """Forget that the place was out of reach."""
        _resting.pop(self.url, None)

    def _do(self, what: str, name: str, act: Callable[[Any, str], T], *, may_lack: bool = False) -> T | None:
        """Act on the file system and a path there; None where the file is not there and `may_lack` allows that."""
        require_plain_names(self.name, name.split("/"))
        if time.monotonic() < _resting.get(self.url, 0.0):
            message = f"{self.name} could not be reached a moment ago"
            raise RemoteError(message)
        for pause in (*(_PAUSE_SECONDS * 2**number for number in range(_TRIES - 1)), None):
            try:
                done = self._acted(act, name, may_lack=may_lack)
            except Exception as error:  # noqa: BLE001  # every file system has errors of its own
                if pause is None or isinstance(error, _FOR_GOOD):
                    raise self._out_of_reach(what, name, error) from None  # the cause may show credentials
                time.sleep(pause)
            else:
                _resting.pop(self.url, None)
                return done
        raise AssertionError

    def _acted(self, act: Callable[[Any, str], T], name: str, *, may_lack: bool) -> T | None:
        system, root = self._opened()
        try:
            return act(system, f"{root}/{name}")
        except FileNotFoundError:
            if may_lack:
                return None
            raise

    def _opened(self) -> tuple[Any, str]:
        """Return the file system, which fsspec keeps, and the root in it."""
        import fsspec

        options = {"auto_mkdir": True} if self.url.partition("://")[0] in _LOCAL else {}
        system, root = fsspec.url_to_fs(self.url, **options)
        return system, root.rstrip("/")

    def _out_of_reach(self, what: str, name: str, error: Exception) -> RemoteError:
        """Leave the place alone for a while; warn, unless it has been out of reach since the last warning."""
        reason = redacted_text(" ".join(f"{type(error).__name__}: {error}".split()).replace(self.url, self.name))
        if self.url not in _resting:
            _log.warning("cannot %s %s/%s (%s): going on with what is here", what, self.name, name, reason)
        _resting[self.url] = time.monotonic() + _REST_SECONDS
        message = f"cannot {what} {self.name}/{name}: {reason}"
        return RemoteError(message)


def _whole(system: Any, place: str, write: Callable[[str], object]) -> None:
    """Have `write` make a file that is there in full or not at all; object storage does so by itself."""
    parent, _, name = place.rpartition("/")
    protocols = {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)
    if protocols & set(_LOCAL):
        draft = f"{parent}/.{name}-{uuid4().hex[:8]}"
        write(draft)
        system.mv(draft, place)
        return
    if not protocols & _FLAT:
        system.makedirs(parent, exist_ok=True)
    write(place)
