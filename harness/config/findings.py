"""The mistakes of one sweep file, gathered while it is read and reported together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import JsonValue

from harness.config.yaml_lines import Place, YamlFile
from harness.errors import ConfigError
from harness.mistakes import KeyPath, Mistake, check, shown, suggestion

__all__ = ["Findings", "Setting", "placed"]

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """A value and where in the file it was written, which need not be where it is used."""

    value: JsonValue
    path: KeyPath


def placed(mapping: Mapping[str, JsonValue], path: KeyPath) -> dict[str, Setting]:
    """Return the entries of the mapping at `path`, each with its own path."""
    return {key: Setting(value, (*path, key)) for key, value in mapping.items()}


_SHOWN = 50
"""Mistakes that are told one by one: a file that is no sweep at all may have thousands."""


class Findings:
    """Collects mistakes; of several at one place the first is kept, the rest follow from it."""

    def __init__(self, file: YamlFile) -> None:
        self._file = file
        self._found: dict[tuple[Place, KeyPath], Mistake] = {
            (place, mistake.path): mistake for place, mistake in file.mistakes
        }

    def add(self, path: KeyPath, message: str) -> None:
        """Note that what stands at `path` is wrong; `message` is a predicate."""
        self._found.setdefault((self._file.place(path), path), Mistake(path, message))

    def known(self, mapping: Mapping[str, JsonValue], allowed: Iterable[str], path: KeyPath) -> None:
        """Note every key of `mapping` that is none of `allowed`."""
        choices = list(allowed)
        for key in mapping:
            if key not in choices:
                self.add((*path, key), f"is an unknown key{suggestion(key, choices)}")

    def mapping(self, value: JsonValue, path: KeyPath, what: str) -> dict[str, JsonValue]:
        """Return `value` if it is a mapping; else note that it must be one, and return an empty one."""
        if isinstance(value, dict):
            return value
        self.add(path, f"must be a mapping of {what}, got {shown(value)}")
        return {}

    def build(self, target: type[T], settings: Mapping[str, Setting], path: KeyPath) -> T | None:
        """Build `target`, which stands at `path`, from settings that may come from elsewhere."""
        built, mistakes = check(target, {name: setting.value for name, setting in settings.items()})
        for mistake in mistakes:
            name, *rest = mistake.path or ("",)
            start = settings[str(name)].path if name in settings else (*path, *mistake.path[:1])
            self.add((*start, *rest), mistake.message)
        return built

    def raise_if_any(self) -> None:
        """Raise ConfigError with one line per mistake, in the order of the file; of very many, the first."""
        if self._found:
            ordered = sorted(self._found.items(), key=lambda item: item[0][0])
            lines = [f"{self._file.name}:{place.line}: {text}" for (place, _), text in ordered[:_SHOWN]]
            more = len(ordered) - len(lines)
            raise ConfigError("\n".join([*lines, f"and {more} more mistakes"] if more else lines))
