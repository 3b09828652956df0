"""Mistakes in data files, collected so that all are told at once."""

from pathlib import Path

from harness.errors import DataError

__all__ = ["Problems", "shown"]

_SHOWN = 20
_WIDTH = 80


def shown(value: object) -> str:
    """Return the `repr` of a value that was found, cut to a length that fits a message."""
    text = repr(value)
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}... ({len(text)} characters)"


class Problems:
    """Collect mistakes of the files below `where`; keep the first 20 and count the rest."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._shown: list[str] = []
        self._count = 0

    def __bool__(self) -> bool:
        return self._count > 0

    def add(self, file: Path | str, line: int | None, message: str) -> None:
        """Note one mistake; `line` counts from 1."""
        self._count += 1
        if len(self._shown) < _SHOWN:
            relative = file.relative_to(self._where).as_posix() if isinstance(file, Path) else file
            place = relative if line is None else f"{relative}:{line}"
            self._shown.append(f"{place}: {message}")

    def raise_any(self) -> None:
        """Raise DataError with what was collected, if anything was."""
        if not self._count:
            return
        hidden = self._count - len(self._shown)
        tail = [f"and {hidden} more"] if hidden else []
        noun = "problem" if self._count == 1 else "problems"
        lines = [f"{self._where}: {self._count} {noun}", *self._shown, *tail]
        raise DataError("\n  ".join(lines))
