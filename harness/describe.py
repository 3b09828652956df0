"""What is registered, for `winnow list`: names, papers, and every parameter with its range."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from harness.errors import ConfigError
from harness.parameters import Parameter, Shape, parameters
from harness.recipes import RECIPES, Recipe
from harness.registry import REGISTRIES, Entry, unknown_name
from harness.spec import ConfirmSpec, MixSpec, RepairSpec, Spec, SuspectSpec

__all__ = ["KINDS", "PARTS", "Listed", "ListedParameter", "listing", "render"]

PARTS: dict[str, tuple[type[Spec], str]] = {
    "confirm": (ConfirmSpec, "arXiv:2010.08191"),
    "mix": (MixSpec, "arXiv:2407.15831"),
    "repair": (RepairSpec, "arXiv:2505.16967"),
    "repair.suspect": (SuspectSpec, ""),
}
"""What goes around the miner of an arm, by its key, with its paper."""

KINDS = (*REGISTRIES, "parts", "recipes")


@dataclass(frozen=True)
class ListedParameter:
    """One parameter; `allowed` says in words what `low`, `high` and `choices` say in data."""

    name: str
    allowed: str
    required: bool
    default: JsonValue
    low: float | int | None
    high: float | int | None
    choices: tuple[JsonValue, ...]


@dataclass(frozen=True)
class Listed:
    """One registered strategy, or one recipe with the `settings` that it fixes; `dataclasses.asdict` makes it JSON."""

    name: str
    summary: str
    paper: str
    parameters: tuple[ListedParameter, ...]
    settings: dict[str, JsonValue]


def listing(kind: str) -> list[Listed]:
    """List one kind, in the order of names; raise ConfigError if there is no such kind."""
    if kind == "recipes":
        return [_recipe(recipe) for recipe in RECIPES.values()]
    if kind == "parts":
        return [_listed(name, spec, paper) for name, (spec, paper) in PARTS.items()]
    if kind not in REGISTRIES:
        raise ConfigError(unknown_name("kind", kind, list(KINDS)))
    return [_entry(entry) for entry in REGISTRIES[kind]]


def _recipe(recipe: Recipe) -> Listed:
    return Listed(recipe.name, recipe.summary, recipe.paper, (), dict(recipe.arm))


def _entry(entry: Entry) -> Listed:
    return _listed(entry.name, entry.factory, entry.paper, entry.summary)


def _listed(name: str, target: type, paper: str, summary: str = "") -> Listed:
    described = tuple(_parameter(parameter) for parameter in parameters(target))
    return Listed(name, summary or (target.__doc__ or "").partition("\n")[0], paper, described, {})


def _parameter(parameter: Parameter) -> ListedParameter:
    shape = parameter.numeric or Shape(object)
    return ListedParameter(
        name=parameter.name,
        allowed=parameter.expected,
        required=parameter.required,
        default=parameter.default,
        low=shape.bounds.low,
        high=shape.bounds.high,
        choices=tuple(choice for shape in parameter.shapes for choice in shape.choices),
    )


def render(rows: Sequence[Listed], width: int = 80) -> str:
    """Write a listing as plain text of at most `width` columns, one block per entry."""
    return "\n\n".join("\n".join(_block(row, width)) for row in rows)


def _block(row: Listed, width: int) -> list[str]:
    lines = [row.name, *_indented(row.summary, width)]
    if row.paper:
        lines += _indented(f"Paper: {row.paper}", width)
    longest = max((len(parameter.name) for parameter in row.parameters), default=0)
    for parameter in row.parameters:
        default = "required" if parameter.required else f"default {_written(parameter.default)}"
        text = f"{parameter.name:<{longest}}  {parameter.allowed}; {default}"
        lines += _indented(text, width, first=4, rest=6 + longest)
    if row.settings:
        lines += _indented(_written(row.settings), width, first=4, rest=4)
    return lines


def _indented(text: str, width: int, first: int = 2, rest: int = 2) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=" " * first, subsequent_indent=" " * rest, break_on_hyphens=False)


def _written(value: JsonValue) -> str:
    """Write a value as a sweep file would, the outermost mapping without braces."""
    if isinstance(value, dict):
        return ", ".join(
            f"{key}: {'{' + _written(item) + '}' if isinstance(item, dict) else _written(item)}"
            for key, item in value.items()
        )
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) if value != "" else "''"
