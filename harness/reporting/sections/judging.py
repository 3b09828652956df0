"""How differences are judged, and how far the judgement carries."""

from harness.reporting.blocks import Prose, Section
from harness.reporting.tables import Analysis
from harness.stats import RESAMPLES, RULE

__all__ = ["judging"]


def judging(analysis: Analysis) -> Section:
    """Return the rule for verdicts and how its numbers come about."""
    del analysis
    method = (
        "The unit is the query; seeds are averaged within each query first. Intervals are percentile bootstrap "
        f"intervals and p-values come from sign-flip permutations, each with {RESAMPLES:,} seeded resamples. The "
        "permutation p of B resamples, b of them at least as extreme as the data, is (b + 1) / (B + 1), so no p is "
        "ever zero."
    )
    return Section("How differences are judged", (Prose(((RULE,), (method,))),))
