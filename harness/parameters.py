"""What a strategy or spec may be given: each parameter's type, default, range and choices.

All of it is read from the annotation that also validates, so that a range is written
down once.
"""

import math
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Union, get_args, get_origin

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MinLen
from pydantic import JsonValue, TypeAdapter
from pydantic.fields import FieldInfo

__all__ = ["Bounds", "Parameter", "Shape", "parameters"]


@dataclass(frozen=True)
class Bounds:
    """An interval of numbers; an open end is not part of it, None is no end."""

    low: float | int | None = None
    high: float | int | None = None
    low_open: bool = False
    high_open: bool = False

    def __str__(self) -> str:
        if self.low is None and self.high is None:
            return ""
        if self.high is None:
            return f"{'above' if self.low_open else 'at least'} {self.low}"
        if self.low is None:
            return f"{'below' if self.high_open else 'at most'} {self.high}"
        return f"in {'(' if self.low_open else '['}{self.low}, {self.high}{')' if self.high_open else ']'}"

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float):
            return False
        above = self.low is None or (value > self.low if self.low_open else value >= self.low)
        below = self.high is None or (value < self.high if self.high_open else value <= self.high)
        return above and below


@dataclass(frozen=True)
class Shape:
    """One alternative of an annotation: `float | None` has two.

    `base` is the plain type; `items` are the shapes of the items of a list.
    """

    base: type
    bounds: Bounds = Bounds()
    choices: tuple[JsonValue, ...] = ()
    min_length: int = 0
    items: tuple["Shape", ...] = ()

    def __str__(self) -> str:
        if self.choices:
            return f"{'one of ' if len(self.choices) > 1 else ''}{', '.join(map(str, self.choices))}"
        if self.base in (int, float):
            return f"{_NAMES[self.base]} {self.bounds}".strip()
        if self.base is str and self.min_length:
            return "text that is not empty"
        if self.base is list:
            several = f" of {self.min_length} or more" if self.min_length else ""
            return f"a list{several}{', each ' + ' or '.join(map(str, self.items)) if self.items else ''}"
        return _NAMES.get(self.base, getattr(self.base, "expected", "a value"))

    def allows(self, value: JsonValue) -> bool:
        """Tell whether a single value has this type, and lies within the bounds or among the choices."""
        if self.choices:
            return any(value == choice and type(value) is type(choice) for choice in self.choices)
        if self.base is float and isinstance(value, float | int) and not isinstance(value, bool):
            return math.isfinite(value) and value in self.bounds
        if type(value) is not self.base:
            return False
        if isinstance(value, str):
            return len(value) >= self.min_length
        return self.base is not int or value in self.bounds


_NAMES: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    bool: "true or false",
    dict: "a mapping",
    types.NoneType: "null",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a strategy or field of a spec; `default` means nothing if it is `required`."""

    name: str
    shapes: tuple[Shape, ...]
    required: bool
    default: JsonValue = None

    @property
    def expected(self) -> str:
        """What a value must be: `a number in [0.5, 1.0]`."""
        return " or ".join(map(str, self.shapes))

    @property
    def numeric(self) -> Shape | None:
        """Return the shape of a parameter that is a number or null, else None."""
        shapes = [shape for shape in self.shapes if shape.base is not types.NoneType]
        return shapes[0] if len(shapes) == 1 and shapes[0].base in (int, float) and not shapes[0].choices else None

    @property
    def plain(self) -> bool:
        """Tell whether a value is a number, text, true or false, one of some words, or null."""
        return all(shape.choices or shape.base in (int, float, str, bool, types.NoneType) for shape in self.shapes)

    @property
    def listed(self) -> tuple[JsonValue, ...]:
        """Every value of a parameter of which there are few: words, true and false; else nothing."""
        if len(self.shapes) != 1:
            return ()
        return (False, True) if self.shapes[0].base is bool and not self.shapes[0].choices else self.shapes[0].choices

    @property
    def floats(self) -> bool:
        """Tell whether a whole number is given to the parameter as any other number."""
        return any(shape.base is float for shape in self.shapes) and all(shape.base is not int for shape in self.shapes)

    def allows(self, value: JsonValue) -> bool:
        """Tell whether a single value is what some shape of the parameter asks for."""
        return any(shape.allows(value) for shape in self.shapes)


@cache
def parameters(target: type) -> tuple[Parameter, ...]:
    """List what a pydantic dataclass or model is given, in the order of its declaration."""
    fields: dict[str, FieldInfo] | None = getattr(target, "__pydantic_fields__", None)
    if fields is None:
        message = f"{target.__qualname__} must be a pydantic dataclass or model, so that its parameters can be checked"
        raise TypeError(message)
    return tuple(_parameter(name, info) for name, info in fields.items() if info.init is not False)


def _parameter(name: str, info: FieldInfo) -> Parameter:
    shapes = tuple(_shapes(info.annotation, info.metadata))
    if info.is_required():
        return Parameter(name, shapes, required=True)
    default = TypeAdapter(object).dump_python(
        info.get_default(call_default_factory=True, validated_data={}), mode="json"
    )
    return Parameter(name, shapes, required=False, default=default)


def _shapes(annotation: object, metadata: Sequence[object]) -> Iterator[Shape]:
    """Yield the alternatives of `annotation`, each with the constraints that apply to it."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _shapes(args[0], [*metadata, *args[1:]])
    elif origin in (Union, types.UnionType):
        for alternative in args:
            yield from _shapes(alternative, metadata)
    elif origin is Literal:
        yield Shape(type(args[0]), choices=args)
    else:
        constraints = list(_flat(metadata))
        yield Shape(
            _base(origin or annotation),
            bounds=_bounds(constraints),
            min_length=max((item.min_length for item in constraints if isinstance(item, MinLen)), default=0),
            items=_items(origin, args),
        )


def _base(annotation: object) -> type:
    if annotation in (tuple, set, frozenset, Sequence):
        return list
    return annotation if isinstance(annotation, type) else object


def _items(origin: object, args: tuple[object, ...]) -> tuple[Shape, ...]:
    if _base(origin) is not list:
        return ()
    shapes = dict.fromkeys(shape for item in args if item is not Ellipsis for shape in _shapes(item, ()))
    return tuple(shape for shape in shapes if shape.base in _NAMES or shape.choices)


def _flat(metadata: Sequence[object]) -> Iterator[object]:
    """Take apart groups of constraints such as Interval."""
    for item in metadata:
        if isinstance(item, GroupedMetadata):
            yield from item
        else:
            yield item


def _bounds(constraints: Sequence[object]) -> Bounds:
    low: float | int | None = None
    high: float | int | None = None
    low_open = high_open = False
    for item in constraints:
        match item:
            case Ge(ge=int() | float() as low):
                low_open = False
            case Gt(gt=int() | float() as low):
                low_open = True
            case Le(le=int() | float() as high):
                high_open = False
            case Lt(lt=int() | float() as high):
                high_open = True
    return Bounds(low, high, low_open, high_open)
