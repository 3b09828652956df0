"""How differences are judged, and how far the judgement carries."""

from harness.reporting import notation
from harness.reporting.blocks import Block, Column, Prose, Section, Table
from harness.reporting.gallery import Gallery
from harness.reporting.judgement import Looks, Varying, aggregates, looks, varying
from harness.reporting.plots import seed_strip
from harness.reporting.sections.drawn import Kind, drawn
from harness.reporting.tables import Analysis
from harness.stats import ENOUGH_SEEDS, RESAMPLES, RULE, Interval

__all__ = ["judging"]

_METHOD = (
    "The unit is the query; seeds are averaged within each query first. Intervals are percentile bootstrap intervals "
    f"and p-values come from sign-flip permutations, each with {RESAMPLES:,} seeded resamples. The permutation p of B "
    "resamples, b of them at least as extreme as the data, is (b + 1) / (B + 1), so no p is ever zero. The p over "
    "queries and seeds treats both as drawn at random, crossed, each with its own degrees of freedom: it asks whether "
    "the difference would stand with other seeds too. Planned comparisons are one family, adjusted by Holm; the others "
    "are exploratory, a family of their own, adjusted by Benjamini and Hochberg."
)
_SELECTION = (
    "The highest of several means is high by luck too. Corrected: the arm is chosen by the queries of a resample and "
    "scored by those left out; the interval is moved likewise. Chosen again: share of resamples in which the same arm "
    "is the best. p (max-T): of its difference to the baseline, adjusted for the choice among all arms."
)
_VARIANCE = (
    "Where {} vary: standard deviations between queries, between seeds (what another seed moves all queries by), "
    "between datasets, and of the rest, which is what a seed does to single queries. Estimated by analysis of "
    "variance; estimates below zero are shown as 0.0000 and marked †."
)
_AGGREGATES = (
    "Whole runs of the arms with at least {} seeds on each dataset. Interquartile mean: of the middle half of the "
    "runs. Improvement: probability that a run beats one of the baseline on the same dataset. Brackets: 95 % bootstrap "
    "intervals over runs, expanded for their number."
)


def judging(analysis: Analysis, gallery: Gallery) -> Section:
    """Return the rule for verdicts, how its numbers come about, and what they leave open."""
    strips: Kind[seed_strip.SeedStrip] = Kind(
        "seeds",
        lambda data: seed_strip.draw_seed_strip(data, analysis.styles),
        seed_strip.seed_strip_rows,
        seed_strip.seed_strip_caption,
    )
    barred = [name for name in analysis.searched if name != analysis.chosen]
    parts = (
        Section("Looks at the test split", (Prose(tuple(_looks(looks(analysis.results, barred)))),)),
        Section("The best of several", _selection(analysis)),
        Section("Seeds", (*drawn(analysis, gallery, seed_strip.compute(analysis), strips), *_variance(analysis))),
        Section("Whole runs", _aggregates(analysis)),
    )
    return Section("How differences are judged", (Prose(((RULE,), (_METHOD,))),), parts)


def _looks(found: Looks) -> list[tuple[str, ...]]:
    said: list[tuple[str, ...]] = [
        (f"The test split was evaluated {found.runs:,} times, once for each finished run of {found.arms} arms.",)
    ]
    if found.unjudged:
        said.append((f"Of these arms {found.unjudged} are points of a search that are not judged on test.",))
    if found.gaps:
        (least, low), (most, high) = (pick(found.gaps.items(), key=lambda item: item[1]) for pick in (min, max))
        mean = notation.signed(sum(found.gaps.values()) / len(found.gaps))
        start = (
            f"Test less dev is {mean} on average over the arms that can be called best, from {notation.signed(low)} ("
        )
        middle = f") to {notation.signed(high)} ("
        said.append((start, notation.plain(least), middle, notation.plain(most), ")."))
    return said


def _selection(analysis: Analysis) -> tuple[Block, ...]:
    columns = (
        Column("Dataset", text=True),
        Column("Best of", text=False),
        Column("Arm", text=True, share=2.0),
        Column("Mean"),
        Column("Corrected [95 %]"),
        Column("Corrected difference [95 %]"),
        Column("p (max-T)"),
        Column("Chosen again"),
    )
    rows = tuple(
        (
            notation.plain(each.dataset),
            str(each.count),
            notation.plain(each.arm),
            notation.decimal(each.result.naive_score),
            notation.interval(each.result.score),
            notation.DASH if each.p is None else notation.signed_interval(each.result.difference),
            notation.p_value(each.p),
            notation.percent(each.result.chosen),
        )
        for each in analysis.selections
    )
    return (Table(columns, rows, _SELECTION, "judging", "The best of several"),) if rows else ()


def _variance(analysis: Analysis) -> tuple[Block, ...]:
    found = varying(analysis.results)
    several = len(analysis.tables) > 1
    titles = ["Queries", "Seeds", *(["Datasets"] if several else []), "Rest", "Share of seeds"]
    rows = tuple(_components(each, several=several) for each in found)
    what = "scores" if analysis.results.baseline is None else "the differences to the baseline"
    columns = (Column("Arm", text=True), *map(Column, titles))
    return (Table(columns, rows, _VARIANCE.format(what), "judging", "Variance components"),) if rows else ()


def _components(each: Varying, *, several: bool) -> tuple[str, ...]:
    parts = each.components

    def deviation(name: str, variance: float | None) -> str:
        mark = "†" if name in parts.truncated else ""
        return notation.decimal(None if variance is None else variance**0.5, 4) + mark

    return (
        notation.plain(each.arm),
        deviation("query", parts.query),
        deviation("seed", parts.seed),
        *([deviation("dataset", parts.dataset)] if several else []),
        deviation("residual", parts.residual),
        notation.percent(parts.shares["seed"]),
    )


def _aggregates(analysis: Analysis) -> tuple[Block, ...]:
    def share(value: Interval | None) -> str:
        if value is None:
            return notation.DASH
        low, high = (notation.decimal(100.0 * end, 0) for end in (value.low, value.high))
        return f"{notation.decimal(100.0 * value.mean, 0)} % [{low}, {high}]"

    columns = (Column("Arm", text=True), Column("Seeds"), Column("Interquartile mean [95 %]"))
    rows = tuple(
        (notation.plain(each.arm), str(each.seeds), notation.interval(each.middle), share(each.improvement))
        for each in sorted(aggregates(analysis.results), key=lambda each: -each.middle.mean)
    )
    table = Table((*columns, Column("Improvement [95 %]")), rows, _AGGREGATES.format(ENOUGH_SEEDS), "judging", "Runs")
    return (table,) if rows else ()
