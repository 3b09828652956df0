"""Which models are trusted to run the code that comes with them."""

from collections.abc import Iterable, Iterator

from pydantic import BaseModel, JsonValue

__all__ = ["trusted"]


def trusted(specs: Iterable[BaseModel]) -> list[str]:
    """Name every model, at any depth of some specs, whose own code is run, with what pins it; sorted."""
    return sorted({name for spec in specs for name in _found(spec.model_dump(mode="json"))})


def _found(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("trust_remote_code") is True:
            by_folder = f"the folder {value.get('path')} (its files are part of the identity)"
            yield f"{value['model']} at {value.get('revision')}" if value.get("model") else by_folder
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _found(item)
