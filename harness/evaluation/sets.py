"""The datasets that a run is evaluated on besides its own: which they are, and what they are called."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Protocol, cast

from harness.registry import DATASETS
from harness.spec import Component

__all__ = ["expanded", "numbered", "set_names", "split_label"]


class _Several(Protocol):
    def sets(self) -> tuple[Component, ...]: ...


def expanded(entries: Iterable[Component]) -> tuple[Component, ...]:
    """Put a benchmark's tasks in its place and leave out what is there already.

    Raises ConfigError if there is no such benchmark.
    """
    found = [each for entry in entries for each in _sets(entry.model_dump_json())]
    return tuple({each.model_dump_json(): each for each in found}.values())


@lru_cache(maxsize=64)
def _sets(entry: str) -> tuple[Component, ...]:
    component = Component.model_validate_json(entry)
    source = DATASETS.create(component.name, component.params)
    return cast("_Several", source).sets() if hasattr(source, "sets") else (component,)


def set_names(sets: Iterable[Component]) -> list[str]:
    """Name each set for people: its folder, file, task or source, numbered where that repeats.

    A task's subset and split are named where they are not the usual ones.
    """
    return numbered(map(_name, sets))


def numbered(names: Iterable[str]) -> list[str]:
    """Tell names apart: `b`, `b #2`, `b #3`."""
    found: list[str] = []
    for name in names:
        count = sum(other == name or other.startswith(f"{name} #") for other in found)
        found.append(f"{name} #{count + 1}" if count else name)
    return found


def _name(component: Component) -> str:
    path, task = component.params.get("path"), component.params.get("task")
    if isinstance(path, str) and path:
        return Path(path).resolve().name
    if not isinstance(task, str):
        return component.name
    parts = [task, *(str(component.params.get(key, usual)) for key, usual in _USUAL.items())]
    return "-".join(part for part in parts if part not in _USUAL.values())


_USUAL = {"subset": "default", "test": "test"}


def split_label(split: str, name: str) -> str:
    """Return the split under which the rows of a further set are kept: `test@scifact`."""
    return f"{split}@{name}"
