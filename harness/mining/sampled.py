"""Miners that draw at random, weighted by score, from the candidates under a ceiling.

Every one takes the ceilings of `margin.Ceiling` (none by default), so that a published
filter and a published sampler compose: `topk_sampled(share=0.95)` is NV-Retriever's
sampled TopK-PercPos. Draws are without replacement: the k largest of log-weight plus
Gumbel noise are distributed as k draws one after another.
"""

from abc import ABC, abstractmethod
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from annotated_types import Interval
from pydantic import model_validator
from pydantic.dataclasses import dataclass

from harness.mining.base import BoolArray, Negatives, Pool
from harness.mining.margin import Ceiling, aggregated
from harness.mining.rank import Count
from harness.registry import MINERS
from harness.spec import STRICT

__all__ = ["SimANS", "Top1Sampled", "TopKSampled", "uniform_in_effect"]

UNIFORM_BELOW = 1.1
"""A sampler whose largest weight is less than this many times its smallest is uniform in effect."""

Window = Annotated[int, Interval(ge=1, le=10_000)]
Weights = npt.NDArray[np.float64]


def first(keep: BoolArray, count: int) -> BoolArray:
    """Restrict `keep` to its first `count` candidates in each row. Shape (n, m)."""
    within: BoolArray = keep & (np.cumsum(keep, axis=1) <= count)
    return within


def uniform_in_effect(ratio: Weights) -> bool:
    """Tell whether at least half of the rows that had a choice drew as good as uniformly.

    `ratio` is what `weight_ratio` returns. False where no row had a choice.
    """
    known = ratio[~np.isnan(ratio)]
    return bool(known.size) and float(np.median(known)) < UNIFORM_BELOW


@dataclass(kw_only=True, config=STRICT)
class _Sampler(Ceiling, ABC):
    """Draw from the best `window` candidates under the ceilings.

    Candidates behind the window count as not looked at, those above a ceiling as refused.
    """

    k: Count = 4
    window: Window = 10

    @abstractmethod
    def log_weight(self, pool: Pool) -> Weights:
        """Return the logarithm of each candidate's weight, up to a constant per row. Shape (n, m)."""

    def drawn_from(self, pool: Pool) -> BoolArray:
        """Tell which candidates chance decides about. Shape (n, m)."""
        return first(self.keep(pool), self.window)

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Draw k candidates of the window, in the order in which they are drawn."""
        return self._take(pool, self.drawn_from(pool), self.log_weight(pool) + _gumbel(pool, rng))

    def weight_ratio(self, pool: Pool) -> Weights:
        """Return the largest weight over the smallest among the candidates drawn from. Shape (n,).

        NaN where fewer than two candidates leave chance nothing to decide; infinity where
        the ratio is beyond float64. A value near 1 says that the sampler is uniform in
        effect: its scale does not suit the teacher's scores.
        """
        among, weight = self.drawn_from(pool), self.log_weight(pool)
        high = np.where(among, weight, -np.inf).max(axis=1, initial=-np.inf)
        low = np.where(among, weight, np.inf).min(axis=1, initial=np.inf)
        choice = np.count_nonzero(among, axis=1) > 1
        with np.errstate(over="ignore"):
            ratio: Weights = np.exp(np.subtract(high, low, out=np.full(len(high), np.nan), where=choice))
        return ratio

    def _take(self, pool: Pool, among: BoolArray, by: Weights) -> Negatives:
        return pool.best(among, by=by, k=self.k, refused=~self.keep(pool))


def _gumbel(pool: Pool, rng: np.random.Generator) -> Weights:
    noise: Weights = -np.log(-np.log(pool.uniform(rng)))
    return noise


def _finite(score: npt.NDArray[np.float32]) -> Weights:
    """Return the scores in float64 with 0 on padding, which no rule draws from."""
    return np.where(np.isfinite(score), score, 0.0).astype(np.float64)


@MINERS.register("topk_sampled", paper="arXiv:2407.15831")
@dataclass(kw_only=True, config=STRICT)
class TopKSampled(_Sampler):
    """Draw k of the best `window` candidates with softmax weights of their scores (NV-Retriever's Sampled Top-k).

    The paper states no temperature. At 1 and with cosines the draw is uniform in effect:
    ask `weight_ratio`.
    """

    temperature: Annotated[float, Interval(ge=0.001, le=100.0)] = 1.0

    def log_weight(self, pool: Pool) -> Weights:
        """Return score / temperature."""
        return _finite(pool.score) / self.temperature


@MINERS.register("top1_sampled", paper="arXiv:2407.15831")
@dataclass(kw_only=True, config=STRICT)
class Top1Sampled(TopKSampled):
    """Take the best candidate, then draw the others as `topk_sampled` does (NV-Retriever's Top-1 + sampled).

    The best candidate is one of the `window`.
    """

    def drawn_from(self, pool: Pool) -> BoolArray:
        """Tell which candidates chance decides about: the window without its best. Shape (n, m)."""
        keep = self.keep(pool)
        return first(keep, self.window) & ~first(keep, 1)

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Choose the best survivor and draw k - 1 others."""
        best = first(self.keep(pool), 1)
        by = np.where(best, np.inf, self.log_weight(pool) + _gumbel(pool, rng))
        return self._take(pool, best | self.drawn_from(pool), by)


@MINERS.register("simans", paper="arXiv:2210.11773")
@dataclass(kw_only=True, config=STRICT)
class SimANS(_Sampler):
    """Draw k candidates that score near their positive: neither too easy nor too hard.

    With d = candidate's score minus positive's, the weight is

    - `paper`: exp(-a (d - b)^2), which peaks b above the positive;
    - `released`: exp(-a (d + b)^2), the authors' code for NQ and TQ, which peaks b below it;
    - `laplace`: exp(-a |d|), their code for MS MARCO passages, with a = 3 and no b.

    The published a belong to unnormalised dot products; for cosines a = 0.5 is uniform
    in effect: ask `weight_ratio`. `window` is 100 in the code for NQ and TQ, 200 for
    MS MARCO. Unlike that code a row with few candidates does not repeat them, and a
    positive outside the pool changes nothing.
    """

    window: Window = 100
    form: Literal["paper", "released", "laplace"] = "paper"
    a: Annotated[float, Interval(ge=0.0, le=10_000.0)] = 0.5
    b: Annotated[float, Interval(ge=-100.0, le=100.0)] = 0.0

    @model_validator(mode="after")
    def _laplace_has_no_b(self) -> Self:
        if self.form == "laplace" and self.b != 0.0:
            message = f"b must be 0 with form='laplace', got b={self.b}"
            raise ValueError(message)
        return self

    def log_weight(self, pool: Pool) -> Weights:
        """Return the exponent of the chosen form."""
        distance = _finite(pool.score) - aggregated(pool, self.positive_agg)[:, None]
        if self.form == "laplace":
            return -self.a * np.abs(distance)
        peak = self.b if self.form == "paper" else -self.b
        return -self.a * np.square(distance - peak)
