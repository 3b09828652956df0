"""Miners that look at a candidate's rank alone.

Ranks start at 0 and, unless a parameter says otherwise, count eligible candidates
only: positives and padding are taken out first, then ranks are skipped. None of these
miners filters by score, so no order of skip and filter arises here.
"""

from typing import Annotated, Literal, Self

import numpy as np
from annotated_types import Interval
from pydantic import model_validator
from pydantic.dataclasses import dataclass

from harness.mining.base import PADDING, Negatives, Pool
from harness.registry import MINERS
from harness.spec import STRICT

__all__ = ["BgeWindow", "Count", "Random", "RankWindow", "TopK", "TopKShifted"]

Count = Annotated[int, Interval(ge=1, le=64)]
"""How many negatives a pair is to have."""

Rank = Annotated[int, Interval(ge=0, le=10_000)]


@MINERS.register("topk", paper="arXiv:2407.15831")
@dataclass(kw_only=True, config=STRICT)
class TopK:
    """Take the k best candidates; the naive miner that every other is compared with."""

    k: Count = 4

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Choose the k best eligible candidates."""
        del rng
        return pool.best(pool.eligible, by=pool.score, k=self.k)


@MINERS.register("random", paper="arXiv:2407.15831")
@dataclass(kw_only=True, config=STRICT)
class Random:
    """Draw k documents uniformly from the whole corpus.

    Score and rank stay NaN and -1 even for a document that happens to stand in the
    pool: the few that do would make a biased sample of the hardness.
    """

    k: Count = 4

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Draw k documents, none of them excluded."""
        document = pool.draw(rng, self.k)
        return Negatives(
            document=document,
            score=np.full(document.shape, np.nan, dtype=np.float32),
            rank=np.full(document.shape, PADDING, dtype=np.int32),
            removed=np.zeros_like(pool.eligible),
        )


@MINERS.register("topk_shifted", paper="arXiv:2407.15831")
@dataclass(kw_only=True, config=STRICT)
class TopKShifted:
    """Skip the best `shift` candidates, then take the next k (NV-Retriever's Top-K shifted by N)."""

    k: Count = 4
    shift: Rank = 10

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Choose eligible ranks `shift` to `shift` + k - 1."""
        del rng
        return pool.best(pool.eligible_rank >= self.shift, by=pool.score, k=self.k)


@dataclass(kw_only=True, config=STRICT)
class _Window:
    """Ranks from `start` up to but without `stop`."""

    k: Count = 4
    start: Rank
    stop: Annotated[int, Interval(ge=1, le=10_000)]

    @model_validator(mode="after")
    def _window_is_not_empty(self) -> Self:
        if self.start >= self.stop:
            message = f"start must be below stop, got start={self.start} and stop={self.stop}"
            raise ValueError(message)
        return self


@MINERS.register("rank_window", paper="SFR-Embedding-Mistral")
@dataclass(kw_only=True, config=STRICT)
class RankWindow(_Window):
    """Take the k best candidates among the eligible ranks `start` to `stop` - 1.

    Candidates before the window count as refused, those behind it do not. The pool
    must be at least `stop` deep, or the window is cut short.
    """

    start: Rank = 30
    stop: Annotated[int, Interval(ge=1, le=10_000)] = 100

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Choose the k best of the window."""
        del rng
        rank = pool.eligible_rank
        inside = (rank >= self.start) & (rank < self.stop)
        return pool.best(inside, by=pool.score, k=self.k, refused=rank < self.start)


@MINERS.register("bge_window", paper="FlagEmbedding hn_mine.py")
@dataclass(kw_only=True, config=STRICT)
class BgeWindow(_Window):
    """Draw k candidates uniformly from a window of ranks, as BGE's released script does.

    With `ranks="pool"`, as released, the window is cut from the teacher's list first and
    positives are taken out of it second, so that it may hold fewer than `stop` - `start`
    candidates; with `"eligible"` positives go first. Candidates before the window count
    as refused. A pool less deep than `stop` cuts the window short. The script fills a
    shortage from the corpus; here that is the shortage policy's part.
    """

    start: Rank = 10
    stop: Annotated[int, Interval(ge=1, le=10_000)] = 210
    ranks: Literal["pool", "eligible"] = "pool"

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Draw k of the window without replacement."""
        rank = pool.eligible_rank if self.ranks == "eligible" else np.arange(pool.document.shape[1])[None, :]
        inside = np.broadcast_to((rank >= self.start) & (rank < self.stop), pool.eligible.shape)
        refused = np.broadcast_to(rank < self.start, pool.eligible.shape)
        return pool.best(inside, by=pool.uniform(rng), k=self.k, refused=refused)
