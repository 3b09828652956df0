"""Pools, and miners with parameters of their size, for property tests.

Scores lie on a coarse grid, positives among them: ties and candidates exactly at a
boundary are the rule. So are short rows, padding, rows without any eligible candidate,
negative scores and several positives per query.
"""

from dataclasses import dataclass, fields, replace
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from annotated_types import Interval
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from pydantic import ValidationError

from harness.mining.base import PADDING, Miner, Negatives, Pool, key_of
from harness.registry import MINERS

SPARE = 5


@dataclass(frozen=True)
class Candidate:
    """One eligible candidate of a row, as a plain loop sees it."""

    column: int
    document: int
    score: float
    hidden: bool


def make_pool(rng: np.random.Generator, *, queries: int, documents: int, depth: int, levels: int = 8) -> Pool:
    """Build a consistent pool; scores are multiples of 1 / `levels` in [-1, 1]."""
    rows: dict[str, list[Any]] = {name: [] for name in ("document", "score", "positive", "excluded", "query", "own")}
    for query in range(queries):
        grid = rng.integers(-levels, levels + 1, size=documents)
        score = (grid / levels).astype(np.float32)
        positives = rng.choice(documents, size=min(documents, int(rng.integers(1, 4))), replace=False)
        twins = rng.choice(documents, size=int(rng.integers(0, max(1, documents // 3) + 1)), replace=False)
        banned = sorted({*positives.tolist(), *twins.tolist()})
        order = np.lexsort((np.arange(documents), -score))[: min(depth, int(rng.integers(1, documents + 1)))]
        for own in positives:
            rows["document"].append(np.pad(order, (0, depth - len(order)), constant_values=PADDING))
            rows["score"].append(np.pad(score[order], (0, depth - len(order)), constant_values=-np.inf))
            rows["positive"].append(score[own])
            rows["excluded"].append([*banned, *[PADDING] * (documents + 1 - len(banned))])
            rows["query"].append(query)
            rows["own"].append(own)
    document = np.array(rows["document"], dtype=np.int32).reshape(-1, depth)
    excluded = np.array(rows["excluded"], dtype=np.int32).reshape(-1, documents + 1)
    query = np.array(rows["query"], dtype=np.int32)
    eligible = (document != PADDING) & ~(document[:, :, None] == excluded[:, None, :]).any(axis=2)
    concealed = rng.random((queries, documents)) < 0.3
    return frozen(
        Pool(
            document=document,
            score=np.array(rows["score"], dtype=np.float32).reshape(-1, depth),
            positive=np.array(rows["positive"], dtype=np.float32),
            eligible=eligible,
            hidden=eligible & concealed[query[:, None], np.maximum(document, 0)],
            query=query,
            positive_document=np.array(rows["own"], dtype=np.int32),
            group=query * 7 + 3,
            excluded=excluded,
            pair_key=np.array([key_of(f"{q}/{d}") for q, d in zip(query, rows["own"], strict=True)], dtype=np.uint64),
            document_key=np.array([key_of(f"doc{index}") for index in range(documents)], dtype=np.uint64),
        )
    )


def frozen(pool: Pool) -> Pool:
    """Make every array read-only, so that a miner that writes to its input fails."""
    for part in fields(pool):
        getattr(pool, part.name).setflags(write=False)
    return pool


def one_row(scores: list[float], positive: float, *, others: int = 0, ineligible: tuple[int, ...] = ()) -> Pool:
    """Build a pool of one pair: candidate i is document i, and its positive comes behind them.

    `others` documents of the corpus stand outside the pool.
    """
    m = len(scores)
    eligible = np.ones((1, m), dtype=np.bool_)
    eligible[0, list(ineligible)] = False
    return frozen(
        Pool(
            document=np.arange(m, dtype=np.int32)[None, :],
            score=np.array([scores], dtype=np.float32),
            positive=np.array([positive], dtype=np.float32),
            eligible=eligible,
            hidden=np.zeros((1, m), dtype=np.bool_),
            query=np.zeros(1, dtype=np.int32),
            positive_document=np.array([m], dtype=np.int32),
            group=np.zeros(1, dtype=np.int32),
            excluded=np.array([[m, *ineligible]], dtype=np.int32),
            pair_key=np.array([key_of("pair")], dtype=np.uint64),
            document_key=np.array([key_of(f"doc{i}") for i in range(m + 1 + others)], dtype=np.uint64),
        )
    )


@st.composite
def pools(draw: DrawFn, *, min_queries: int = 0) -> Pool:
    """Draw a small pool."""
    return make_pool(
        np.random.default_rng(draw(st.integers(0, 2**32))),
        queries=draw(st.integers(min_queries, 4)),
        documents=draw(st.integers(1, 16)),
        depth=draw(st.integers(1, 12)),
        levels=draw(st.sampled_from([1, 4, 8])),
    )


def candidates(pool: Pool, row: int) -> list[Candidate]:
    """List the eligible candidates of a row, best first."""
    return [
        Candidate(
            column, int(pool.document[row, column]), float(pool.score[row, column]), bool(pool.hidden[row, column])
        )
        for column in range(pool.document.shape[1])
        if pool.eligible[row, column]
    ]


def chosen(negatives: Negatives, row: int = 0) -> list[int]:
    """List the documents of a row without padding."""
    return [int(document) for document in negatives.document[row] if document != PADDING]


def removed(negatives: Negatives, row: int = 0) -> list[int]:
    """List the columns of a row that the rule refused."""
    return np.flatnonzero(negatives.removed[row]).tolist()


def _of_range(kind: type, bounds: Interval) -> SearchStrategy[Any]:
    low: Any = bounds.ge if bounds.ge is not None else bounds.gt
    high: Any = bounds.le if bounds.le is not None else bounds.lt
    if kind is int:
        return st.integers(low, min(high, low + SPARE))
    grid = [low, high, *(value / 8 for value in range(-9, 10)), 0.05, 0.95]
    return st.sampled_from([value for value in grid if low <= value <= high and value != bounds.gt])


def _of_hint(hint: Any) -> SearchStrategy[Any]:
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(inside)
    if origin in {UnionType, Union}:
        return st.one_of(*(_of_hint(option) for option in inside))
    if hint is NoneType:
        return st.none()
    if origin is Annotated:
        (bounds,) = (extra for extra in inside[1:] if isinstance(extra, Interval))
        return _of_range(inside[0], bounds)
    message = f"a parameter needs a Literal or an Interval, got {hint}"
    raise TypeError(message)


@st.composite
def miners(draw: DrawFn, name: str) -> Miner:
    """Draw the miner `name` with parameters that bite on a small pool."""
    factory = MINERS[name].factory
    hints = get_type_hints(factory, include_extras=True)
    names = [part.name for part in fields(factory)]
    params = draw(
        st.fixed_dictionaries({part: _of_hint(hints[part]) for part in names}).filter(lambda p: _valid(factory, p))
    )
    return factory(**params)


def _valid(factory: type, params: dict[str, Any]) -> bool:
    try:
        factory(**params)
    except ValidationError:
        return False
    return True


def moved(pool: Pool, *, scale: float = 1.0, offset: float = 0.0) -> Pool:
    """Map every score s to scale * s + offset."""
    return frozen(
        replace(
            pool,
            score=(pool.score * np.float32(scale) + np.float32(offset)).astype(np.float32),
            positive=(pool.positive * np.float32(scale) + np.float32(offset)).astype(np.float32),
        )
    )
