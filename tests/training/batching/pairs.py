"""Pairs for tests of batchers: few texts, so that the same query or positive comes often."""

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from harness.training.batching.base import Arrangement, Batcher, Epoch, Pairs


def vectors_of(text: np.ndarray, dimension: int = 8) -> np.ndarray:
    """Give every number of a text a unit vector of its own. Shape (n, d)."""
    table = np.random.default_rng(7).normal(size=(int(text.max(initial=0)) + 1, dimension)).astype(np.float32)
    return (table / np.linalg.norm(table, axis=1, keepdims=True))[text]


def make_pairs(query: list[int] | np.ndarray, positive: list[int] | np.ndarray) -> Pairs:
    query, positive = np.asarray(query, dtype=np.int32), np.asarray(positive, dtype=np.int32)
    return Pairs(query, positive, lambda: vectors_of(query), lambda: vectors_of(positive + 1000))


@st.composite
def pairs(draw: DrawFn) -> Pairs:
    """Draw up to 60 pairs of as few as one query and one positive."""
    n = draw(st.integers(1, 60))
    texts = st.lists(st.integers(0, draw(st.integers(0, 60))), min_size=n, max_size=n)
    return make_pairs(draw(texts), draw(texts))


def arranged(batcher: Batcher, given: Pairs, *, epochs: int, batch_size: int, seed: int = 0) -> list[Arrangement]:
    """Arrange epoch after epoch, as a training does."""
    found: list[Arrangement] = []
    for number in range(epochs):
        rng = np.random.default_rng([seed, number])
        found.append(batcher.arrange(given, Epoch(number, batch_size, rng, found[-1] if found else None)))
    return found


def cut(arrangement: Arrangement, batch_size: int) -> list[np.ndarray]:
    return np.split(arrangement.order, range(batch_size, len(arrangement.order), batch_size))


def counted(embed: Callable[[], np.ndarray], calls: list[int]) -> Callable[[], np.ndarray]:
    """Note every call."""

    def counting() -> np.ndarray:
        calls.append(1)
        return embed()

    return counting
