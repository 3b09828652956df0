"""Families of comparisons: corrected p-values and the rule for a verdict."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from harness.stats.comparisons import PairedComparison
from harness.stats.values import ALPHA

__all__ = ["RULE", "Verdict", "benjamini_hochberg", "holm", "verdict"]

RULE = (
    f"A difference counts as beyond noise only if its Holm-adjusted permutation p over queries is below {ALPHA} "
    f"and so is its Holm-adjusted p over queries and seeds; if only the first is, it is within seed noise."
)
"""The rule that `verdict` applies, in words; printed in every report."""

Verdict = Literal["better", "worse", "noise", "seeds", "one seed"]


def holm(p: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p-values, in the order given."""
    order = sorted(range(len(p)), key=lambda index: p[index])
    adjusted = [0.0] * len(p)
    floor = 0.0
    for step, index in enumerate(order):
        floor = max(floor, min(1.0, (len(p) - step) * p[index]))
        adjusted[index] = floor
    return adjusted


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Return p-values adjusted for the false discovery rate (Benjamini and Hochberg 1995), in the order given.

    What is below a level holds that share of false discoveries at most, on average, if
    the tests are independent or positively dependent, as those against one baseline are.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values)[::-1]
    ranks = np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.minimum.accumulate(values[order] * len(values) / ranks), 1.0)
    return [float(value) for value in adjusted]


def verdict(result: PairedComparison, p_adjusted: float, p_seeds_adjusted: float | None) -> Verdict:
    """Apply `RULE` to a comparison and its two p-values, both adjusted in their family.

    `seeds` where the queries show a difference that the seeds do not bear out,
    `one seed` where nothing is known of the seeds and `p_seeds_adjusted` is None.
    """
    if p_adjusted >= ALPHA:
        return "noise"
    if p_seeds_adjusted is None:
        return "one seed"
    if p_seeds_adjusted >= ALPHA:
        return "seeds"
    return "better" if result.difference.mean > 0 else "worse"
