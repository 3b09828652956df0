"""What a person names on a command line or in a notebook: data, teachers, miners and their parameters.

A strategy is written `name` or `name:parameter=value,parameter=value`. Nothing is
loaded here; every mistake is gathered, so that all can be told at once.
"""

import json
import re
import types
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import JsonValue, TypeAdapter

from harness.errors import ConfigError
from harness.mistakes import check, shown, suggestion
from harness.parameters import Parameter, Shape, parameters
from harness.recipes import RECIPES
from harness.registry import DATASETS, MINERS, TEACHERS, Registry, unknown_name
from harness.spec import Component

__all__ = ["PAIR_SUFFIXES", "ArgumentReader", "component", "short_label"]

PAIR_SUFFIXES = (".parquet", ".jsonl", ".csv", ".tsv")
"""Endings of a file of pairs."""

_DATA_FORMS = "a folder in BEIR format, a .parquet, .jsonl, .csv or .tsv file of pairs, mteb:TaskName"
_LONGEST_NUMBER = 40
_COMMA = re.compile(r",(?=\w+=)")
_PARAMETERS = re.compile(r":(?=\w+=)")


class ArgumentReader:
    """Reads arguments into Components and gathers what is wrong with them."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []
        self._fixed_teachers: dict[str, str] = {}

    def add(self, message: str) -> None:
        """Note a mistake."""
        self.mistakes.append(message)

    def raise_if_any(self) -> None:
        """Raise ConfigError with one line per mistake."""
        if self.mistakes:
            raise ConfigError("\n".join(self.mistakes))

    def dataset(self, text: str, corpus: str | None = None) -> Component | None:
        """Read DATA; `corpus` belongs to a file of pairs alone."""
        name, values = self._dataset(text)
        if corpus is not None and name == "pairs":
            values["corpus"] = corpus
        elif corpus is not None and name:
            self.add(f"--corpus goes with a file of pairs, not with {shown(text)}")
        return self._component(DATASETS, name, values, "DATA") if name else None

    def teachers(self, texts: Iterable[str], max_length: int | None = None) -> list[Component]:
        """Read every --teacher; `max_length` holds for each that cuts its texts and does not say otherwise."""
        given = {} if max_length is None else {"max_length": str(max_length)}
        return self._shared(TEACHERS, [self._teacher(text) for text in texts], given, "--teacher", "--max-length")

    def miners(self, texts: Iterable[str], settings: Iterable[str] = ()) -> list[Component]:
        """Read every --miner, or the recipe that names one; a --set holds for each miner that has the parameter."""
        return self._shared(MINERS, [self._miner(text) for text in texts], self._settings(settings), "--miner", "--set")

    def teacher_of_recipe(self, given: Iterable[str]) -> str | None:
        """Return the teacher that a recipe among the miners fixes; another one in `given` is a mistake."""
        names = [_split(text)[0] for text in given]
        for recipe, teacher in self._fixed_teachers.items():
            if names and teacher not in names:
                self.add(f"--miner {recipe}: the recipe has the teacher {teacher}, got --teacher {', '.join(names)}")
        return next(iter(self._fixed_teachers.values()), None)

    def within(self, where: str, value: float, target: type, name: str) -> None:
        """Note a number outside the range of the parameter `name` of `target`."""
        shape = next(each for each in parameters(target) if each.name == name).numeric
        if shape is not None and value not in shape.bounds:
            self.add(f"{where} must be {shape.bounds}, got {value}")

    def _dataset(self, text: str) -> tuple[str, dict[str, str]]:
        """Tell the source and its parameters; an empty name after a mistake."""
        name, rest = _split(text)
        if name == "mteb":
            task, more = _split(rest)
            return "mteb_task", {"task": task, **self._values(more, "DATA")}
        if name in DATASETS:
            return name, self._values(rest, "DATA")
        path, rest = _split_path(text)
        values = {"path": path, **self._values(rest, "DATA")}
        if _is_folder(path):
            if (Path(path) / "corpus.jsonl").is_file():
                return "beir_folder", values
            self.add(f"DATA: the folder {path!r} holds no corpus.jsonl, so it is not in BEIR format")
        elif Path(path).suffix in PAIR_SUFFIXES:
            return "pairs", values
        else:
            named = [name for name in DATASETS.names() if name not in ("beir_folder", "pairs", "mteb_task")]
            hint = suggestion(name, named).partition(" (allowed")[0]
            self.add(f"DATA: {shown(text)} is none of {_DATA_FORMS}, {', '.join(named)}{hint}")
        return "", {}

    def _teacher(self, text: str) -> tuple[str, dict[str, str]]:
        name, rest = _split(text)
        if name in TEACHERS:
            return name, self._values(rest, "--teacher")
        path, rest = _split_path(text)
        if _is_folder(path):
            return "sentence_transformer", {"path": path, **self._values(rest, "--teacher")}
        hint = " or the path of a sentence-transformers folder"
        self.add(f"--teacher: {unknown_name('teacher', name, TEACHERS.names())}{hint}")
        return "", {}

    def _miner(self, text: str) -> tuple[str, dict[str, str]]:
        name, rest = _split(text)
        values = self._values(rest, "--miner")
        if name in MINERS:
            return name, values
        if name not in RECIPES:
            self.add(f"--miner: {unknown_name('miner', name, MINERS.names())} or a recipe: {', '.join(RECIPES)}")
            return "", {}
        arm = RECIPES[name].arm
        miner = arm.get("miner", "none")
        fixed = dict(miner) if isinstance(miner, dict) else {"name": miner}
        if fixed["name"] not in MINERS:
            self.add(f"--miner: the recipe {shown(name)} mines no negatives")
            return "", {}
        if isinstance(teacher := arm.get("teacher"), str):
            self._fixed_teachers[name] = teacher
        own = {key: _as_text(value) for key, value in fixed.items() if key != "name"}
        return str(fixed["name"]), own | values

    def _values(self, text: str, where: str) -> dict[str, str]:
        return self._settings(_COMMA.split(text) if text else [], where)

    def _settings(self, texts: Iterable[str], where: str = "--set") -> dict[str, str]:
        """Read `key=value` texts."""
        values: dict[str, str] = {}
        for text in texts:
            key, equals, value = text.partition("=")
            if not equals or not key:
                self.add(f"{where}: expected parameter=value, got {shown(text)}")
            elif key in values:
                self.add(f"{where}: {key} is given twice, as {shown(values[key])} and {shown(value)}")
            else:
                values[key] = value
        return values

    def _shared(
        self, registry: Registry, named: list[tuple[str, dict[str, str]]], given: Mapping[str, str], *where: str
    ) -> list[Component]:
        """Build several strategies; of `given` each takes what it has a parameter for."""
        known = {name: {each.name for each in parameters(registry[name].factory)} for name, _ in named if name}
        built = []
        for name, values in named:
            if name:
                shared = {key: value for key, value in given.items() if key in known[name]}
                built.append(self._component(registry, name, shared | values, where[0]))
        if known:
            everything = sorted(set().union(*known.values()))
            for key in given:
                if key not in everything:
                    names = ", ".join(known)
                    self.add(f"{where[1]}: {names} has no parameter {shown(key)}{suggestion(key, everything)}")
        return [each for each in built if each is not None]

    def _component(self, registry: Registry, name: str, values: Mapping[str, str], where: str) -> Component | None:
        try:
            return component(registry, name, typed(registry[name].factory, values))
        except ConfigError as error:
            for line in str(error).splitlines():
                self.add(f"{where}: {line}")
        return None


def component(registry: Registry, name: str, values: Mapping[str, object]) -> Component:
    """Return a strategy with every parameter written out; raise ConfigError that lists the mistakes."""
    factory = registry[name].factory
    strategy, mistakes = check(factory, values)
    if mistakes:
        raise ConfigError("\n".join(f"{registry.kind} '{name}': {mistake}" for mistake in mistakes))
    dumped: dict[str, JsonValue] = TypeAdapter[object](factory).dump_python(strategy, mode="json")
    return Component(
        name=name, params={each.name: dumped[each.name] for each in parameters(factory) if each.name in dumped}
    )


def short_label(registry: Registry, strategy: Component) -> str:
    """Write a strategy with those of its parameters that differ from the default: `topk_percpos(share=0.9)`."""
    usual = {each.name: each.default for each in parameters(registry[strategy.name].factory)}
    special = {key: value for key, value in strategy.params.items() if value != usual.get(key)}
    return Component(name=strategy.name, params=special).label


def typed(factory: type, values: Mapping[str, str]) -> dict[str, JsonValue]:
    """Turn texts into what the annotations of `factory` ask for; what fits none of them stays text."""
    known = {each.name: each for each in parameters(factory)}
    return {key: _typed(known[key], text) if key in known else text for key, text in values.items()}


def _typed(parameter: Parameter, text: str) -> JsonValue:
    values = (_as(shape, text) for shape in parameter.shapes)
    return next((value for value in values if value != _UNFIT), text)


_UNFIT = "\x00"
"""Stands for a text that cannot be read as a shape; no argument can hold this character."""


def _as(shape: Shape, text: str) -> JsonValue:
    """Read a text as one shape, or return _UNFIT."""
    if shape.choices:
        return next((choice for choice in shape.choices if str(choice) == text), _UNFIT)
    if shape.base is types.NoneType:
        return None if text.casefold() in ("null", "none") else _UNFIT
    if shape.base is bool:
        return {"true": True, "false": False}.get(text.casefold(), _UNFIT)
    if shape.base in (int, float):
        return _number(shape.base, text)
    if shape.base in (list, dict):
        return _json(text)
    return text if shape.base in (str, Path) else _UNFIT


def _number(base: type, text: str) -> JsonValue:
    if len(text) > _LONGEST_NUMBER or not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        return _UNFIT
    return int(text) if re.fullmatch(r"[+-]?\d+", text, re.ASCII) else float(text) if base is float else _UNFIT


def _json(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return _UNFIT
    return value


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _split(text: str) -> tuple[str, str]:
    name, _, rest = text.partition(":")
    return name, rest


def _split_path(text: str) -> tuple[str, str]:
    """Split `path:key=value` at the first colon before a key; a path may hold others."""
    found = _PARAMETERS.search(text)
    return (text[: found.start()], text[found.end() :]) if found else (text, "")


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:  # longer than any name can be
        return False
