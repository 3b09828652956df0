"""What a source must offer."""

from typing import Protocol

from harness.collection import Collection

__all__ = ["Source"]


class Source(Protocol):
    """Reads one kind of data; parameters are the fields of the class."""

    def identity(self) -> str:
        """Return a digest of the content, without reading more than that takes; no heavy import."""
        ...

    def load(self) -> Collection:
        """Read the collection; raise DataError that says file, line and what was expected."""
        ...
