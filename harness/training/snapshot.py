"""Nested states as JSON and tensors, so that no pickle is written or loaded."""

import math
from typing import TYPE_CHECKING

import numpy as np
from pydantic import JsonValue

from harness.errors import StorageError

if TYPE_CHECKING:
    import torch

__all__ = ["join", "part"]


def part(state: object) -> "tuple[JsonValue, dict[str, torch.Tensor]]":
    """Split a state into JSON and the tensors that it refers to by name; `join` is the inverse.

    A state is None, text, a finite number, a tensor or an array, or a list, tuple or
    mapping of states; keys of mappings are texts or whole numbers. Tensors are copied to
    the CPU. Raises StorageError for a value of any other type.
    """
    import torch

    tensors: dict[str, torch.Tensor] = {}

    def plain(value: object) -> JsonValue:
        if isinstance(value, torch.Tensor | np.ndarray):
            name = f"{len(tensors):06}"
            tensors[name] = torch.as_tensor(value).detach().to("cpu", copy=True).contiguous()
            return {"tensor" if isinstance(value, torch.Tensor) else "array": name}
        if isinstance(value, dict):
            return {"mapping": [[key, plain(item)] for key, item in value.items()]}
        if isinstance(value, tuple):
            return {"tuple": [plain(item) for item in value]}
        if isinstance(value, list):
            return [plain(item) for item in value]
        if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
            return value
        message = f"a checkpoint cannot hold {type(value).__name__} {value!r:.60}"
        raise StorageError(message)

    return plain(state), tensors


def join(plain: JsonValue, tensors: "dict[str, torch.Tensor]") -> object:
    """Put a state together again; raise StorageError if it is not one that `part` has made."""
    if isinstance(plain, list):
        return [join(item, tensors) for item in plain]
    if not isinstance(plain, dict):
        return plain
    match plain:
        case {"tensor": str(name)} if name in tensors:
            return tensors[name]
        case {"array": str(name)} if name in tensors:
            return tensors[name].numpy()
        case {"mapping": list(pairs)}:
            return {key: join(item, tensors) for key, item in pairs}  # type: ignore[misc, str-unpack]  # as `part` wrote them
        case {"tuple": list(items)}:
            return tuple(join(item, tensors) for item in items)
    message = f"a checkpoint holds an entry of an unknown kind: {sorted(plain)}"
    raise StorageError(message)
