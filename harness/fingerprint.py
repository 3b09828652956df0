"""Identity is content: digests of values, texts and files, never of names or paths."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel

__all__ = ["canonical", "digest", "file_digest", "folder_digest", "text_digest"]

_CHUNK = 1 << 20


def canonical(value: object) -> str:
    """Return `value` as JSON with sorted keys and no white space; NaN is refused."""

    def plain(item: object) -> object:
        if isinstance(item, BaseModel):
            return item.model_dump(mode="json")
        message = f"cannot fingerprint a {type(item).__name__}"
        raise TypeError(message)

    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=plain)


def digest(value: object, length: int = 64) -> str:
    """Return the first `length` hex digits of the SHA-256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]


def text_digest(texts: Iterable[str]) -> str:
    """Return the SHA-256 of a sequence of texts; where one ends and the next begins counts."""
    state = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()


def folder_digest(folder: Path, pattern: str = "**/*") -> str:
    """Return the SHA-256 over the relative names and contents of the files in a folder."""
    files = sorted(path for path in folder.glob(pattern) if path.is_file())
    return digest([[path.relative_to(folder).as_posix(), file_digest(path)] for path in files])
