"""Object storage in memory, for tests: it counts what is asked of it, and refuses what it is told to."""

from collections.abc import Callable
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from harness.remote import owner, sharing, storage
from harness.remote.storage import Remote

__all__ = ["ShakyStorage", "fresh"]

URL = "shaky://bucket/team"


def _obey(operation: str, path: str) -> None:
    """Refuse nothing."""


class ShakyStorage(MemoryFileSystem):
    """A file system `shaky://` that asks `refuse` before each call, which may raise."""

    protocol = "shaky"
    store: ClassVar[dict] = {}
    pseudo_dirs: ClassVar[list] = [""]
    calls: ClassVar[list[tuple[str, str]]] = []
    refuse: ClassVar[Callable[[str, str], None]] = staticmethod(_obey)

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + str(path).removeprefix("shaky://").strip("/")

    @classmethod
    def set_refusal(cls, refuse: Callable[[str, str], None] = _obey) -> None:
        cls.refuse = staticmethod(refuse)

    @classmethod
    def files(cls) -> list[str]:
        return sorted(path.removeprefix("/bucket/team/") for path in cls.store)

    @classmethod
    def content(cls, name: str) -> bytes:
        return cls.store[f"/bucket/team/{name}"].getvalue()

    @classmethod
    def spoil(cls, name: str) -> None:
        """Flip a bit of the first byte of a file."""
        whole = cls.content(name)
        cls().pipe_file(f"/bucket/team/{name}", bytes([whole[0] ^ 1]) + whole[1:])

    def _heard(self, operation, path):
        self.calls.append((operation, path))
        type(self).refuse(operation, path)

    def cat_file(self, path, **options):
        self._heard("read", path)
        return super().cat_file(path, **options)

    def get_file(self, rpath, lpath, **options):
        self._heard("read", rpath)
        return super().get_file(rpath, lpath, **options)

    def put_file(self, lpath, rpath, **options):
        self._heard("write", rpath)
        return super().put_file(lpath, rpath, **options)

    def pipe_file(self, path, value, **options):
        self._heard("write", path)
        return super().pipe_file(path, value, **options)

    def rm_file(self, path):
        self._heard("delete", path)
        if path not in self.store:
            raise FileNotFoundError(path)
        return super().rm_file(path)

    def find(self, path, **options):
        self._heard("list", path)
        return super().find(path, **options)


def fresh(monkeypatch: pytest.MonkeyPatch) -> Remote:
    """Return an empty place, waits cut short."""
    fsspec.register_implementation("shaky", ShakyStorage, clobber=True)
    ShakyStorage.store.clear()
    ShakyStorage.calls.clear()
    ShakyStorage.set_refusal()
    storage._resting.clear()
    monkeypatch.setattr(storage, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(storage, "_REST_SECONDS", 0.0)
    monkeypatch.setattr(owner, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(sharing, "_WAIT_SECONDS", 0.0)
    monkeypatch.setattr(owner, "_SETTLE_SECONDS", 0.0)
    return Remote(URL)
