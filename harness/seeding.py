"""Seeds for separate purposes that never share a stream."""

import hashlib

import numpy as np

__all__ = ["derive_seed", "generator"]


def derive_seed(seed: int, *purpose: str) -> int:
    """Return a 31-bit seed that depends on `seed` and on what it is for."""
    text = "\x1f".join([str(seed), *purpose])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """Return a generator of its own for this seed and purpose."""
    return np.random.default_rng(derive_seed(seed, *purpose))
