"""YAML with the line of every key: YAML 1.2 scalars, no duplicate keys, no tags, bounded in size.

Differences from what `yaml.safe_load` does: only `true` and `false` are booleans (`no`
and `on` are text); `1e-5` is a number; dates are text; and what different versions of
YAML read as different numbers (`010`, `1_000`, `0x1F`) is a mistake.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pydantic import JsonValue

from harness.errors import ConfigError
from harness.mistakes import KeyPath, Mistake, shown

__all__ = ["Place", "YamlFile", "read_yaml"]

_MAX_BYTES = 1 << 18
_MAX_DEPTH = 20
_MAX_VALUES = 20_000

_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_AMBIGUOUS = re.compile(r"[-+]?([0-9][0-9_]*_[0-9_]*|0[0-9]+)(\.[0-9_]*)?([eE][-+]?[0-9]+)?|[-+]?0[xob][0-9a-fA-F_]+")


@dataclass(frozen=True, order=True)
class Place:
    """A line and a column of a file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class YamlFile:
    """What a YAML file says, and where.

    `places` holds the place of every key and of every item of a list. `mistakes` are
    those that do not hinder reading on, each with its place.
    """

    name: str
    value: dict[str, JsonValue]
    places: Mapping[KeyPath, Place]
    mistakes: tuple[tuple[Place, Mistake], ...]

    def place(self, path: KeyPath) -> Place:
        """Return where `path` stands, or the nearest thing around it that stands anywhere."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]


def read_yaml(path: Path) -> YamlFile:
    """Read a YAML file whose top is a mapping; raise ConfigError with its line if it is none."""
    text = _text(path)
    try:
        node = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_syntax(path, error)) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{path}:{line}: not YAML: the character {shown(chr(error.character))}") from error
    if node is None:
        raise ConfigError(f"{path}:1: is empty; a sweep file is a mapping of keys such as name, datasets and arms")
    reading = _Reading(path)
    value = reading.value(node, (), 0)
    if not isinstance(value, dict):
        message = f"must be a mapping of keys such as name, datasets and arms, got {shown(value)}"
        raise ConfigError(f"{path}:{node.start_mark.line + 1}: {message}")
    return YamlFile(str(path), value, reading.places, tuple(reading.mistakes))


def _text(path: Path) -> str:
    """Read a file of bounded size as UTF-8, with or without a byte order mark."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError as error:
        siblings = {sibling.name: sibling for sibling in sorted(path.parent.glob("*.y*ml"))}
        near = difflib.get_close_matches(path.name, siblings, n=1, cutoff=0.5)
        hint = f"; did you mean {siblings[near[0]]}?" if near else ""
        raise ConfigError(f"{path}: no such file{hint}") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: is a directory; name one sweep file") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path}: must be at most {_MAX_BYTES >> 10} KiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: must be UTF-8, got the byte 0x{data[error.start]:02x}") from error


def _syntax(path: Path, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    problem = error.problem or "cannot be read"
    if r"'\t'" in problem:
        problem = "a tab; indent with spaces"
    context = f" {error.context}" if error.context and error.problem else ""
    return f"{path}:{line}: not YAML:{context + ',' if context else ''} {problem}"


class _Loader(yaml.SafeLoader):
    """Composes nodes without resolving scalars; refuses tags, and what would take the stack or too long."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  a class attribute of PyYAML
    depth = 0
    count = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node; raise ComposerError if it carries a tag or lies too deep."""
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs of PyYAML leave it out
        if getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, f"the tag {event.tag} is not supported", event.start_mark)
        if self.depth > _MAX_DEPTH:
            problem = f"nested deeper than {_MAX_DEPTH} levels"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        self.count += 1
        if self.count > 2 * _MAX_VALUES:  # keys are nodes too
            problem = f"more than {_MAX_VALUES} values"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


@dataclass
class _Reading:
    """Turns nodes into values; collects where things are and what is wrong with them."""

    path: Path
    places: dict[KeyPath, Place] = field(default_factory=dict)
    mistakes: list[tuple[Place, Mistake]] = field(default_factory=list)
    count: int = 0

    def value(self, node: yaml.Node, path: KeyPath, depth: int) -> JsonValue:
        """Return the value of `node`, which stands at `path`."""
        self.places.setdefault(path, _place(node))
        self.count += 1
        if self.count > _MAX_VALUES or depth > _MAX_DEPTH:
            message = f"anchors and aliases make it deeper than {_MAX_DEPTH} levels or more than {_MAX_VALUES} values"
            raise ConfigError(f"{self.path}:{_place(node).line}: {message}")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # noqa: S101  composing gives no fourth kind
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath, depth: int) -> JsonValue:
        mapping: dict[str, JsonValue] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.mistakes.append((_place(key_node), Mistake(path, "must have text as keys, not lists or mappings")))
                continue
            key: str = key_node.value
            if key in mapping:
                first = self.places[*path, key].line
                self.mistakes.append((_place(key_node), Mistake((*path, key), f"appears twice, first on line {first}")))
                continue
            self.places.setdefault((*path, key), _place(key_node))
            mapping[key] = self.value(value_node, (*path, key), depth + 1)
        return mapping

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> JsonValue:
        text: str = node.value
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            self.mistakes.append(
                (self.places[path], Mistake(path, f"must be text of whole characters, got {shown(text)}"))
            )
            return text.encode("utf-8", "replace").decode()
        if node.style is not None:
            return text
        if _AMBIGUOUS.fullmatch(text):
            message = f"must be a plain decimal number or text in quotes: versions of YAML disagree on {text[:60]}"
            self.mistakes.append((self.places[path], Mistake(path, message)))
        return _plain(text)


def _plain(text: str) -> JsonValue:
    """Resolve an unquoted scalar by the rules of YAML 1.2."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
