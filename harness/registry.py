"""Names for strategies: each registered once, found lazily, misspellings answered with a suggestion.

The registries stand here, below the packages that fill them, so that a sweep file
can be checked without importing torch. A registry imports the modules of its
package the first time it is asked, then any installed plug-in.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TypeVar

from harness.errors import ConfigError
from harness.mistakes import check, shown, suggestion

__all__ = [
    "BASES",
    "BATCHERS",
    "DATASETS",
    "LOSSES",
    "MINERS",
    "REFRESHES",
    "REGISTRIES",
    "TEACHERS",
    "Entry",
    "Registry",
    "unknown_name",
]

T = TypeVar("T", bound=type)


@dataclass(frozen=True)
class Entry:
    """One registered strategy: its class, and the paper or source that it follows."""

    name: str
    factory: type
    paper: str

    @property
    def summary(self) -> str:
        """First line of the class's docstring."""
        return (self.factory.__doc__ or "").strip().partition("\n")[0]


def unknown_name(kind: str, name: str, allowed: list[str]) -> str:
    """Say that `name` is not among `allowed`, and suggest the nearest."""
    return f"unknown {kind} {shown(name)}{suggestion(name, allowed)}"


class Registry:
    """Classes of one kind by name.

    Each of `packages` holds built-in entries, one file per family, or is itself the one file; a plug-in adds its
    own by an entry point in the group `winnow.plugins` that names a module to import.
    """

    def __init__(self, kind: str, *packages: str) -> None:
        self.kind = kind
        self._packages = packages
        self._entries: dict[str, Entry] = {}
        self._loaded = False

    def register(self, name: str, *, paper: str = "") -> Callable[[T], T]:
        """Enter the decorated class under `name`; raise ValueError if the name is taken."""

        def enter(factory: T) -> T:
            taken = self._entries.get(name)
            if taken is not None:
                message = f"{self.kind} '{name}' is already registered by {taken.factory.__qualname__}"
                raise ValueError(message)
            self._entries[name] = Entry(name, factory, paper)
            return factory

        return enter

    def __getitem__(self, name: str) -> Entry:
        """Return the entry called `name`; raise ConfigError with a suggestion if there is none."""
        self._load()
        if name not in self._entries:
            raise ConfigError(unknown_name(self.kind, name, self.names()))
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries

    def __iter__(self) -> Iterator[Entry]:
        self._load()
        return iter([self._entries[name] for name in sorted(self._entries)])

    def create(self, name: str, params: Mapping[str, object]) -> object:
        """Build the strategy `name` with validated parameters; raise ConfigError listing every mistake."""
        strategy, mistakes = check(self[name].factory, params)
        if mistakes:
            raise ConfigError("\n".join(f"{self.kind} '{name}': {mistake}" for mistake in mistakes))
        return strategy

    def names(self) -> list[str]:
        """Return every registered name, sorted."""
        self._load()
        return sorted(self._entries)

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        for package in self._packages:
            place = importlib.import_module(package)
            for module in pkgutil.iter_modules(getattr(place, "__path__", [])):
                importlib.import_module(f"{package}.{module.name}")
        for plugin in entry_points(group="winnow.plugins"):
            plugin.load()


DATASETS = Registry("dataset", "harness.sources", "harness.evaluation.resampling")
TEACHERS = Registry("teacher", "harness.teachers")
MINERS = Registry("miner", "harness.mining")
LOSSES = Registry("loss", "harness.losses")
BASES = Registry("base", "harness.training.bases")
BATCHERS = Registry("batcher", "harness.training.batching")
REFRESHES = Registry("refresh", "harness.training.refresh")

REGISTRIES = {
    "datasets": DATASETS,
    "teachers": TEACHERS,
    "miners": MINERS,
    "losses": LOSSES,
    "bases": BASES,
    "batchers": BATCHERS,
    "refreshes": REFRESHES,
}
