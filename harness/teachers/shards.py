"""Long computations over texts, cut into shards that survive an interruption."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from harness.teachers.base import Workspace

__all__ = ["in_shards"]

T = TypeVar("T", str, tuple[str, str])
FloatArray = npt.NDArray[np.float32]
_SHARD = 512
"""Items computed between two writes: what an interruption can cost."""

_WINDOW = 64 * _SHARD
"""Items sorted by length together, so that a batch holds texts of one length."""


def in_shards(
    items: Sequence[T],
    compute: Callable[[list[T]], FloatArray],
    key: Callable[[list[T]], str],
    work: Workspace,
    what: str,
) -> Iterator[tuple[npt.NDArray[np.int64], FloatArray]]:
    """Yield the positions of some of `items` and what `compute` gives for them, until all are done.

    `compute` returns a row or a number for each item; `key` names all that they depend
    on. Within a window the longest come first: what does not fit into memory fails at
    once. A shard found in the store is not computed again.
    """
    for begin in range(0, len(items), _WINDOW):
        window = np.arange(begin, min(begin + _WINDOW, len(items)))
        length = [
            sum(map(len, item)) if isinstance(item, tuple) else len(item) for item in items[begin : window[-1] + 1]
        ]
        window = window[np.argsort(-np.array(length), kind="stable")]
        for start in range(0, len(window), _SHARD):
            position = window[start : start + _SHARD]
            part = [items[index] for index in position]
            work.progress(what, begin + start, len(items))
            folder = work.store.fetch("shards", key(part), partial(_keep, compute, part))
            yield position, np.load(folder / "values.npy", allow_pickle=False)
            work.progress(what, begin + start + len(part), len(items))


def _keep(compute: Callable[[list[T]], FloatArray], part: list[T], folder: Path) -> None:
    np.save(folder / "values.npy", compute(part))
