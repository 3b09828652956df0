"""Statistics over queries, seeds and datasets: intervals, tests, corrections and one rule for a verdict.

The unit is the query. Seeds are no further queries: they are averaged within each
query first, and tested beside the queries. Numbers that are resampled depend on `seed`
alone.
"""

from harness.stats.comparisons import PairedComparison, paired_comparison, paired_comparisons, rank_correlation
from harness.stats.components import VarianceComponents, variance_components
from harness.stats.families import RULE, Verdict, benjamini_hochberg, holm, verdict
from harness.stats.hierarchy import hierarchical_interval
from harness.stats.intervals import macro_interval, macro_intervals, mean_interval, mean_intervals
from harness.stats.runs import ENOUGH_SEEDS, interquartile_mean, probability_of_improvement
from harness.stats.seeds import SeedTest, seed_test
from harness.stats.selection import BestOf, best_of, max_t
from harness.stats.thresholdout import Thresholdout
from harness.stats.values import ALPHA, RESAMPLES, Interval

__all__ = [
    "ALPHA",
    "ENOUGH_SEEDS",
    "RESAMPLES",
    "RULE",
    "BestOf",
    "Interval",
    "PairedComparison",
    "SeedTest",
    "Thresholdout",
    "VarianceComponents",
    "Verdict",
    "benjamini_hochberg",
    "best_of",
    "hierarchical_interval",
    "holm",
    "interquartile_mean",
    "macro_interval",
    "macro_intervals",
    "max_t",
    "mean_interval",
    "mean_intervals",
    "paired_comparison",
    "paired_comparisons",
    "probability_of_improvement",
    "rank_correlation",
    "seed_test",
    "variance_components",
    "verdict",
]
