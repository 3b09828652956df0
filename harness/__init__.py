"""Winnow separates false negatives from hard negatives.

In a notebook:

>>> import harness as winnow
>>> collection = winnow.load("synthetic")
>>> pool = winnow.pool(collection, teacher="bm25")
>>> mined = winnow.mine(pool, "topk_percpos", share=0.9)

Names are imported when they are first used, so that `import harness` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.collection import Collection
    from harness.describe import listing
    from harness.errors import WinnowError
    from harness.mined import Mined, TeacherPool
    from harness.mining.base import Negatives, Pool
    from harness.notebook import load, mine, pool
    from harness.registry import MINERS

__all__ = [
    "MINERS",
    "Collection",
    "Mined",
    "Negatives",
    "Pool",
    "TeacherPool",
    "WinnowError",
    "__version__",
    "listing",
    "load",
    "mine",
    "pool",
]

__version__ = "0.1.0"

_HOMES = {
    "Collection": "harness.collection",
    "MINERS": "harness.registry",
    "Mined": "harness.mined",
    "Negatives": "harness.mining.base",
    "Pool": "harness.mining.base",
    "TeacherPool": "harness.mined",
    "WinnowError": "harness.errors",
    "listing": "harness.describe",
    "load": "harness.notebook",
    "mine": "harness.notebook",
    "pool": "harness.notebook",
}

if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        """Import a public name at its first use."""
        if name not in _HOMES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        return getattr(import_module(_HOMES[name]), name)

    def __dir__() -> list[str]:
        return [*globals(), *_HOMES]
