"""Names that may become part of a path or of an object's key: they cannot lead out of their folder."""

from collections.abc import Iterable

from harness.errors import StorageError

__all__ = ["is_plain_name", "require_plain_names"]


def is_plain_name(name: str) -> bool:
    """Tell whether a name can name a file or folder that is neither hidden nor elsewhere."""
    return bool(name) and not name.startswith(".") and not set(name) & set("/\\\0")


def require_plain_names(where: object, names: Iterable[str]) -> None:
    """Raise StorageError for a name, found at `where`, that leads out of its folder."""
    for name in names:
        if not is_plain_name(name):
            message = f"{where} names {name[:60]!r}, which cannot name a folder"
            raise StorageError(message)
