"""Statistics over queries, seeds and datasets: intervals, tests, corrections and one rule for a verdict.

The unit is the query. Seeds are no further queries: they are averaged within each
query first, and tested beside the queries. Numbers that are resampled depend on `seed`
alone.
"""

from harness.stats.comparisons import PairedComparison, paired_comparison, paired_comparisons, rank_correlation
from harness.stats.families import RULE, Verdict, benjamini_hochberg, holm, verdict
from harness.stats.intervals import macro_interval, macro_intervals, mean_interval, mean_intervals
from harness.stats.seeds import SeedTest, seed_test
from harness.stats.values import ALPHA, RESAMPLES, Interval

__all__ = [
    "ALPHA",
    "RESAMPLES",
    "RULE",
    "Interval",
    "PairedComparison",
    "SeedTest",
    "Verdict",
    "benjamini_hochberg",
    "holm",
    "macro_interval",
    "macro_intervals",
    "mean_interval",
    "mean_intervals",
    "paired_comparison",
    "paired_comparisons",
    "rank_correlation",
    "seed_test",
    "verdict",
]
