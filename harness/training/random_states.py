"""The states of the global random generators that a training draws from."""

import random
from typing import Any, cast

import numpy as np
import torch

__all__ = ["random_states", "set_random_states"]


def random_states() -> dict[str, object]:
    """Return the states of Python's, NumPy's, PyTorch's and each GPU's generator."""
    name, keys, *rest = cast("tuple[str, Any, int, int, float]", np.random.get_state())  # noqa: NPY002  # libraries draw from it
    return {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_states(states: dict[str, Any]) -> None:  # Any: each library has a type of its own
    """Put back what `random_states` has returned."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002  # likewise
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
