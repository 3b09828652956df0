"""Say in which settings two descriptions differ, as dotted keys with both values."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, JsonValue

__all__ = ["ABSENT", "FOLLOWS", "Differing", "differing", "flat"]

ABSENT = "(absent)"
"""Stands for the value of a key that one side lacks."""


FOLLOWS = "(as follows)"
"""Stands for a value that is made of the keys below."""


@dataclass(frozen=True)
class Differing:
    """A dotted key with the value that each side has, as JSON has it; `ABSENT` where a side has none."""

    key: str
    left: JsonValue
    right: JsonValue


def flat(value: JsonValue, key: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Yield every leaf of JSON with its dotted key: `arm.mining.miner.params.k`, `arms[0].name`."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from flat(item, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and value:
        for place, item in enumerate(value):
            yield from flat(item, f"{key}[{place}]")
    else:
        yield key, value


def differing(left: BaseModel | JsonValue, right: BaseModel | JsonValue) -> list[Differing]:
    """Return the leaves that differ, sorted by key; an empty collection or null counts as a leaf.

    Where one side has such a leaf and the other side more below it, the keys below follow.
    """
    here, there = (
        dict(flat(side.model_dump(mode="json") if isinstance(side, BaseModel) else side)) for side in (left, right)
    )
    return [
        Differing(key, _value(here, key), _value(there, key))
        for key in sorted({*here, *there} - {""})
        # a number that JSON writes as 1 or as 1.0 is the same setting; true is no number
        if key not in here or key not in there or here[key] != there[key] or _truth(here[key]) != _truth(there[key])
    ]


def _value(side: dict[str, JsonValue], key: str) -> JsonValue:
    if key in side:
        return side[key]
    return FOLLOWS if any(other.startswith((f"{key}.", f"{key}[")) for other in side) else ABSENT


def _truth(value: JsonValue) -> bool:
    return isinstance(value, bool)
