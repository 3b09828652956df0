"""A disk that refuses one write: an audit hook that raises where Python is about to make, open or rename a file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["FailingDisk", "failing"]

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class FailingDisk:
    """Refuses the write number `number`, counted from 1, below `root`, and every later one.

    Python code alone is watched: a library that opens files in C++ is not.
    """

    root: Path
    number: int
    errno: int
    writes: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return len(self.writes) >= self.number

    def hear(self, event: str, given: tuple) -> None:
        writing = event in ("os.rename", "os.mkdir") or (event == "open" and bool((given[2] or 0) & _WRITING))
        path = given[1] if event == "os.rename" else given[0] if given else None
        if not writing or not isinstance(path, str | os.PathLike) or not str(path).startswith(str(self.root)):
            return
        self.writes.append(f"{event} {path}")
        if self.failed:
            raise OSError(self.errno, os.strerror(self.errno), str(path))


_active: list[FailingDisk] = []
_installed: list[bool] = []


def _hook(event: str, given: tuple) -> None:
    if _active:
        _active[0].hear(event, given)


@contextmanager
def failing(root: Path, number: int, errno: int) -> Iterator[FailingDisk]:
    """Have the writes below `root` fail from the given one on, within the block."""
    if not _installed:
        sys.addaudithook(_hook)  # for good: there is no way to take one out again
        _installed.append(True)
    disk = FailingDisk(root, number, errno)
    _active.append(disk)
    try:
        yield disk
    finally:
        _active.remove(disk)
