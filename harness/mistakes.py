"""Mistakes in what a person wrote, in words of our own: what, which value, what is allowed."""

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, to_json

from harness.errors import ConfigError
from harness.parameters import Parameter, Shape, parameters

__all__ = ["KeyPath", "Mistake", "check", "dotted", "shown", "suggestion", "wrong_value"]

T = TypeVar("T")

KeyPath = tuple[str | int, ...]
"""Where a value stands: the keys and list positions that lead to it."""

_LONGEST = 60
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong; `message` is a predicate (`must be ...`) for what stands at `path`."""

    path: KeyPath
    message: str

    def __str__(self) -> str:
        return f"{dotted(self.path)} {self.message}".strip()


def dotted(path: KeyPath) -> str:
    """Write a path as `arms[3].miner.share`; a key that is no plain word stands in quotes."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            word = step if re.fullmatch(r"[\w.-]{1,60}", step, re.ASCII) else shown(step)
            text += f".{word}" if text else word
    return text


def shown(value: object) -> str:
    """Write a value for a message: short, on one line, control characters escaped."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]}...{text[-1]}"


def suggestion(name: str, allowed: Iterable[str]) -> str:
    """Return what to write instead of `name`: the nearest of `allowed` if one is near, and all of them."""
    choices = list(allowed)
    folded = {choice.casefold(): choice for choice in choices}
    near = difflib.get_close_matches(name[:_LONGEST].casefold(), folded, n=1, cutoff=0.5)
    hint = f"; did you mean {shown(folded[near[0]])}?" if near else ""
    listed = ", ".join(choice if choice.isprintable() else shown(choice) for choice in choices)
    return f"{hint} (allowed: {listed or 'none'})"


def check(target: type[T], values: Mapping[str, object]) -> tuple[T | None, list[Mistake]]:
    """Build `target` from plain values, or say everything that is wrong with them.

    `values` are what JSON can hold: lists for tuples and text for paths are welcome,
    NaN and infinity are not.
    """
    values = dict(values)
    mistakes = {path: Mistake(path, "must be a finite number, got nan or infinity") for path in _not_finite(values, ())}
    try:
        built = TypeAdapter(target).validate_json(to_json(values, inf_nan_mode="constants"))
    except ValidationError as error:
        for item in error.errors(include_url=False):
            mistake = _translated(target, values, item)
            mistakes.setdefault(mistake.path, mistake)
        return None, list(mistakes.values())
    except ConfigError as error:
        return None, [*mistakes.values(), Mistake((), f"is refused: {'; '.join(str(error).splitlines())}")]
    return (None, list(mistakes.values())) if mistakes else (built, [])


def _not_finite(value: object, path: KeyPath) -> Iterator[KeyPath]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _not_finite(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _not_finite(item, (*path, index))
    elif isinstance(value, float) and not math.isfinite(value):
        yield path


def _translated(target: type, values: Mapping[str, object], item: ErrorDetails) -> Mistake:
    """Put one of pydantic's errors into our words."""
    known = {parameter.name: parameter for parameter in parameters(target)}
    if not item["loc"]:
        return Mistake((), f"is refused: {_reason(item)}")
    name = str(item["loc"][0])
    if item["type"] in _UNKNOWN:
        return Mistake((name,), f"is an unknown parameter{suggestion(name, known)}")
    if item["type"] == "missing":
        return Mistake((name,), f"is required: {known[name].expected}")
    path, value = _reached(values, item["loc"])
    if item["type"] in ("value_error", "assertion_error"):
        reason = _reason(item)
        return Mistake(path, f"{reason}, got {shown(value)}" if reason.startswith("must ") else f"is refused: {reason}")
    return Mistake(path, wrong_value(_shapes_at(known[name], path), value))


def _reason(item: ErrorDetails) -> str:
    error: object = item.get("ctx", {}).get("error", item["msg"])
    return str(error)


def _reached(values: object, location: Sequence[str | int]) -> tuple[KeyPath, object]:
    """Follow `location` as far as it names something that was given.

    pydantic ends the location of an error inside a union with the name of the
    alternative, which is nowhere in the values.
    """
    path: list[str | int] = []
    for step in location:
        match values:
            case dict() if step in values:
                values = values[step]
            case list() | tuple() if isinstance(step, int) and step < len(values):
                values = values[step]
            case _:
                break
        path.append(step)
    return tuple(path), values


def _shapes_at(parameter: Parameter, path: KeyPath) -> tuple[Shape, ...]:
    """Return what is allowed at `path`, which starts with the parameter itself."""
    shapes = parameter.shapes
    for step in path[1:]:
        inner = tuple(item for shape in shapes for item in shape.items)
        if not isinstance(step, int) or not inner:
            return (Shape(object),)
        shapes = inner
    return shapes


def wrong_value(shapes: tuple[Shape, ...], value: object) -> str:
    """Say what a value must be; a number of the right type is only told its range."""
    for shape in shapes:
        if shape.choices and len(shapes) == 1 and isinstance(value, str):
            near = suggestion(value, map(str, shape.choices)).partition(" (allowed")[0]
            return f"must be {shape}, got {shown(value)}{near}"
        if str(shape.bounds) and _is_a(value, shape.base) and len(shapes) == 1:
            return f"must be {shape.bounds}, got {shown(value)}"
    return f"must be {' or '.join(map(str, shapes))}, got {shown(value)}"


def _is_a(value: object, base: type) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (base is float and isinstance(value, float))
