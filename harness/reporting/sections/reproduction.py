"""Where the numbers come from, so that a stranger can have them again."""

from harness.reporting.blocks import Block, Pairs, Section
from harness.reporting.facts import environment_rows, hash_rows, timing_rows
from harness.reporting.tables import Analysis

__all__ = ["reproduction"]


def reproduction(analysis: Analysis) -> Section:
    """Return environment, hashes and times."""
    results = analysis.results
    blocks: list[Block] = [Pairs(tuple(environment_rows(results)))]
    parts = []
    if hashes := hash_rows(results):
        parts.append(Section("Data and models (SHA-256)", (Pairs(tuple(hashes)),)))
    if timings := timing_rows(results):
        rows = tuple((stage, f"{seconds:,.1f} s") for stage, seconds in timings)
        parts.append(Section("Wall-clock time, summed over runs", (Pairs(rows),)))
    return Section("Reproduction", tuple(blocks), tuple(parts))
