"""How often the tests of `harness.stats` err and its intervals cover, by simulation.

`python benchmarks/calibration.py` prints a table; `--scale 0.1` simulates a tenth as
much. The tests call the same functions with fewer simulations.

Scores are made of a query's difficulty, what an arm does to a query, what a run (an arm
trained with a seed) does to all queries, and a residual. Seed noise is given as the run
effect's standard deviation over seeds divided by the standard error over queries of the
mean difference; at 1 both move the mean alike.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import special

from harness import stats

FloatArray = npt.NDArray[np.float64]

GAINS = np.array([0.0, *(1.0 / np.log2(np.arange(11, 1, -1)))])
"""The nDCG@10 of a query with one relevant document: not found, at rank 10, ..., at rank 1."""

ARMS = 8
CHANCES = np.array([0.3, *np.full(9, 0.03), 0.43])


def reciprocal(shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Draw nDCG@10 values of queries with one relevant document."""
    return GAINS[rng.choice(len(GAINS), shape, p=CHANCES)]


def family(
    rng: np.random.Generator, *, queries: int, seeds: int, seed_noise: float, shift: float
) -> tuple[FloatArray, FloatArray]:
    """Draw scores of `ARMS` arms (arms, queries, seeds) and of their baseline (queries, seeds), cut to [0, 1].

    Many scores are exactly 0 or 1. With `shift` 0 arms and baseline have one distribution.
    """
    runs = np.sqrt(seeds / queries) * np.sqrt(0.15**2 + 0.15**2 / seeds) * seed_noise
    difficulty = rng.normal(0.5, 0.35, (queries, 1))
    latent = (
        difficulty
        + rng.normal(0, 0.15, (ARMS + 1, queries, 1))
        + rng.normal(0, runs, (ARMS + 1, 1, seeds))
        + rng.normal(0, 0.15, (ARMS + 1, queries, seeds))
    )
    latent[:-1] += shift
    scores = np.clip(latent, 0.0, 1.0)
    return scores[:-1], scores[-1]


def table(rng: np.random.Generator, *, queries: int, seeds: int, seed_noise: float, residual: float) -> FloatArray:
    """Draw differences (queries, seeds) with normal effects: 0.2 between queries, `residual` for single values."""
    of_mean = np.sqrt((0.2**2 + residual**2 / seeds) / queries)
    runs = rng.normal(0, seed_noise * np.sqrt(seeds) * of_mean, seeds)
    return rng.normal(0, 0.2, (queries, 1)) + runs + rng.normal(0, residual, (queries, seeds))


def family_error(reports: int, *, seeds: int, seed_noise: float, shift: float = 0.0) -> tuple[float, float]:
    """Return the share of reports in which some arm counts as different: by queries alone, and by the rule."""
    rng = np.random.default_rng(1)
    drawn = [family(rng, queries=100, seeds=seeds, seed_noise=seed_noise, shift=shift) for _ in range(reports)]
    pairs = [(arm, baseline) for arms, baseline in drawn for arm in arms]
    results = stats.paired_comparisons(pairs, seed=2, resamples=1999)
    by_queries = by_rule = 0
    for start in range(0, len(results), ARMS):
        members = results[start : start + ARMS]
        p = stats.holm([member.p_permutation for member in members])
        p_seeds = stats.holm([1.0 if member.p_seeds is None else member.p_seeds for member in members])
        verdicts = [stats.verdict(*item) for item in zip(members, p, p_seeds, strict=True)]
        by_queries += min(p) < stats.ALPHA
        by_rule += "better" in verdicts or "worse" in verdicts
    return by_queries / reports, by_rule / reports


def false_discovery_rate(reports: int) -> tuple[float, float]:
    """Return the mean share of false ones among 16 arms' discoveries, half of them null: by raw p, and corrected."""
    rng = np.random.default_rng(3)
    shift = np.repeat([0.0, 0.04], 8)
    differences = shift[:, None] + rng.normal(0, 0.1, (reports, 1, 100)) + rng.normal(0, 0.1, (reports, 16, 100))
    results = stats.paired_comparisons(
        [(arm, np.zeros(100)) for report in differences for arm in report], seed=4, resamples=1999
    )
    p = np.array([result.p_permutation for result in results]).reshape(reports, 16)
    corrected = np.array([stats.benjamini_hochberg(list(row)) for row in p])
    return _false_share(p), _false_share(corrected)


def _false_share(p: FloatArray) -> float:
    found = p < stats.ALPHA
    return float(np.mean(found[:, :8].sum(axis=1) / np.maximum(found.sum(axis=1), 1)))


def query_coverage(draws: int, queries: int) -> float:
    """Return how often the interval of a mean nDCG@10 over queries holds the true mean."""
    values = reciprocal((queries, draws), np.random.default_rng(5))
    return _coverage(stats.mean_intervals(values, seed=6, resamples=2000), float(GAINS @ CHANCES))


def macro_coverage(draws: int) -> float:
    """Return the same for the macro average over datasets with 60, 200 and 100 queries."""
    rng = np.random.default_rng(7)
    groups = [reciprocal((queries, draws), rng) for queries in (60, 200, 100)]
    return _coverage(stats.macro_intervals(groups, seed=8, resamples=2000), float(GAINS @ CHANCES))


def _coverage(intervals: list[stats.Interval], truth: float) -> float:
    return float(np.mean([interval.low <= truth <= interval.high for interval in intervals]))


def seed_coverage(draws: int, *, seeds: int, seed_noise: float, residual: float) -> float:
    """Return how often the interval over queries and seeds holds the true mean, 0."""
    rng = np.random.default_rng(9)
    tables = (table(rng, queries=100, seeds=seeds, seed_noise=seed_noise, residual=residual) for _ in range(draws))
    return _coverage([stats.seed_test(values).interval for values in tables], 0.0)


def seed_test_levels(draws: int, *, seeds: int, level: float) -> FloatArray:
    """Return the largest error rates of three tests over queries and seeds, under normal effects.

    Satterthwaite's degrees of freedom with the seeds' component cut off at 0, Cochran and
    Cox's weighted quantile, and the sum of squares of `seed_test`; over 20 and 300
    queries, residuals of 0 to 2.5 times the query effects, and seed noise of 0 to 10.
    """
    rng = np.random.default_rng(17)
    rates = [
        _levels(rng, draws, (queries, seeds), (residual**2, noise), level)
        for queries in (20, 300)
        for residual in (0.0, 0.25, 1.0, 2.5)
        for noise in (0.0, 0.5, 1.0, 2.0, 10.0)
    ]
    return np.max(rates, axis=0)


def _levels(
    rng: np.random.Generator, draws: int, shape: tuple[int, int], effects: tuple[float, float], level: float
) -> list[float]:
    """Return the error rates of the three, drawing mean squares.

    `effects` are the residual's variance, that between queries being 1, and the seed noise.
    """
    queries, seeds = shape
    residual, noise = effects
    between = seeds + residual
    runs = residual + noise**2 * between
    freedom = np.array([[queries - 1], [seeds - 1], [(queries - 1) * (seeds - 1)]])
    by_query, by_seed, rest = np.array([[between], [runs], [residual]]) * rng.chisquare(freedom, (3, draws)) / freedom
    size = np.abs(rng.normal(0, np.sqrt(between + runs - residual), draws))
    cut = np.maximum(by_seed - rest, 0.0)
    squares = by_query**2 / freedom[0] + (cut + rest) ** 2 / freedom[1] + rest**2 / freedom[2]
    known = np.maximum(by_query - rest, 0.0)
    quantiles = special.stdtrit(freedom[:2, 0], level / 2.0)
    satterthwaite = np.abs(special.stdtrit((by_query + cut) ** 2 / squares, level / 2.0)) * np.sqrt(by_query + cut)
    cochran_cox = -(known * quantiles[0] + by_seed * quantiles[1]) / np.sqrt(known + by_seed)
    sum_of_squares = np.sqrt(known * quantiles[0] ** 2 + by_seed * quantiles[1] ** 2)
    return [float((size > bound).mean()) for bound in (satterthwaite, cochran_cox, sum_of_squares)]


def hierarchical_coverage(draws: int, *, seeds: int, seed_noise: float) -> float:
    """Return how often the hierarchical interval over seeds and queries of 3 datasets holds the true mean."""
    rng = np.random.default_rng(10)

    def intervals() -> Iterator[stats.Interval]:
        for draw in range(draws):
            tables = [
                table(rng, queries=queries, seeds=seeds, seed_noise=seed_noise, residual=0.1)
                for queries in (60, 100, 80)
            ]
            yield stats.hierarchical_interval(tables, seed=draw, resamples=400)

    return _coverage(list(intervals()), 0.0)


def aggregate_coverage(draws: int, seeds: int) -> tuple[float, float]:
    """Return the coverage of the interquartile mean and of the probability of improvement, over 4 datasets."""
    rng = np.random.default_rng(11)
    levels = np.array([0.2, 0.3, 0.4, 0.5])
    middle, chances = [], []
    for draw in range(draws):
        a, b = levels + rng.normal(0, 0.02, (2, seeds, 4))
        middle.append(stats.interquartile_mean(a, seed=draw, resamples=3000))
        chances.append(stats.probability_of_improvement(a, b, seed=draw, resamples=3000))
    return _coverage(middle, 0.35), _coverage(chances, 0.5)


def power_at_detectable(draws: int, share: float) -> float:
    """Return how often p < 0.05 where the true difference is `share` of what is called detectable."""
    rng = np.random.default_rng(12)
    detectable = (1.959964 + 0.841621) * 0.1 / np.sqrt(100)
    columns = rng.normal(share * detectable, 0.1, (draws, 100))
    results = stats.paired_comparisons([(column, np.zeros(100)) for column in columns], seed=13, resamples=1999)
    return float(np.mean([result.p_permutation < stats.ALPHA for result in results]))


def winners_curse(draws: int, *, spread: float) -> dict[str, float]:
    """Return how much the best of 10 arms is overstated, naively and corrected, and the interval's coverage.

    The unit of both is the standard error of an arm's mean apart from the queries'
    difficulty; true means have a standard deviation of `spread` of them.
    """
    rng = np.random.default_rng(14)
    error = 0.1 / np.sqrt(200)
    naive, corrected, covered = [], [], []
    for draw in range(draws):
        truth = 0.5 + rng.normal(0, spread * error, 10)
        difficulty = rng.normal(0, 0.2, 200)
        scores = truth + difficulty[:, None] + rng.normal(0, 0.1, (200, 10))
        baseline = 0.5 + difficulty + rng.normal(0, 0.1, 200)
        result = stats.best_of(scores, baseline=baseline, seed=draw, resamples=300)
        lead = truth[result.arm] - 0.5
        naive.append(result.naive_difference - lead)
        corrected.append(result.difference.mean - lead)
        covered.append(result.difference.low <= lead <= result.difference.high)
    return {
        "naive": float(np.mean(naive)) / error,
        "corrected": float(np.mean(corrected)) / error,
        "coverage": float(np.mean(covered)),
    }


def winners_level(draws: int) -> tuple[float, float]:
    """Return how often the best of 10 arms without an effect has p < 0.05: its own p, and the one of `max_t`."""
    rng = np.random.default_rng(15)
    raw, adjusted = [], []
    for draw in range(draws):
        differences = rng.normal(0, 0.1, (100, 1)) + rng.normal(0, 0.1, (100, 10))
        adjusted.append(min(stats.max_t(differences, seed=draw, resamples=499)))
        raw.append(min(stats.max_t(column, seed=draw, resamples=499)[0] for column in differences.T))
    return float(np.mean(np.array(raw) < stats.ALPHA)), float(np.mean(np.array(adjusted) < stats.ALPHA))


def guard(searches: int, points: int = 200, queries: int = 300) -> tuple[float, float]:
    """Return by how many standard errors the best of `points` without an effect is overstated on the guarded half.

    Chosen by the guarded half itself, and by the guard's answers.
    """
    rng = np.random.default_rng(16)
    unit = 1.0 / np.sqrt(queries)
    by_looking, by_guard = [], []
    for search in range(searches):
        halves = rng.normal(0, unit, (points, 2))
        asked = stats.Thresholdout(threshold=4 * unit, scale=unit / 4, budget=points, seed=search)
        answers = [asked.ask(free, guarded) for free, guarded in halves]
        by_looking.append(halves[:, 1].max())
        by_guard.append(halves[int(np.argmax(answers)), 1])
    return float(np.mean(by_looking)) / unit, float(np.mean(by_guard)) / unit


Line = tuple[str, tuple[float, ...]]


def _tests(scale: float) -> Iterator[Line]:
    """Yield what the tests let through."""
    yield "family-wise error, 8 arms, 100 queries: by queries alone, by the rule", ()
    for seeds in (2, 3, 5):
        for noise in (0.0, 0.5, 2.0):
            found = family_error(round(1000 * scale), seeds=seeds, seed_noise=noise)
            yield f"  {seeds} seeds, seed noise {noise}", found
    yield "some arm found, all 8 better by 0.05: by queries alone, by the rule", ()
    for seeds in (2, 3, 5, 10):
        found = family_error(round(300 * scale), seeds=seeds, seed_noise=0.0, shift=0.05)
        yield f"  {seeds} seeds, no seed noise", found
    for level in (0.05, 0.05 / ARMS):
        yield f"over queries and seeds at level {level:.4f}: Satterthwaite, Cochran and Cox, ours", ()
        for seeds in (2, 3, 5, 10):
            yield f"  {seeds} seeds", tuple(seed_test_levels(round(200_000 * scale), seeds=seeds, level=level))
    yield "false discovery rate, half null: raw, Benjamini-Hochberg", false_discovery_rate(round(1000 * scale))
    for share in (0.0, 0.5, 1.0, 1.5):
        yield f"power at {share} of the detectable difference", (power_at_detectable(round(5000 * scale), share),)


def _intervals(scale: float) -> Iterator[Line]:
    """Yield how often intervals cover."""
    for queries in (50, 200, 1000):
        yield f"coverage, mean nDCG over {queries} queries", (query_coverage(round(10_000 * scale), queries),)
    yield "coverage, macro average", (macro_coverage(round(10_000 * scale)),)
    yield "coverage, over queries and seeds: residual 0.02, 0.2, 0.5", ()
    for seeds in (2, 3, 5, 10):
        for noise in (0.0, 0.5, 2.0, 10.0):
            found = (
                seed_coverage(round(4000 * scale), seeds=seeds, seed_noise=noise, residual=residual)
                for residual in (0.02, 0.2, 0.5)
            )
            yield f"  {seeds} seeds, seed noise {noise}", tuple(found)
    yield "coverage, hierarchical over seeds and queries: seed noise 0, 0.5, 2", ()
    for seeds in (2, 3, 5, 10):
        draws = round(1500 * scale)
        found = (hierarchical_coverage(draws, seeds=seeds, seed_noise=noise) for noise in (0.0, 0.5, 2.0))
        yield f"  {seeds} seeds", tuple(found)
    yield "coverage, interquartile mean and probability of improvement", ()
    for seeds in (5, 10, 20):
        yield f"  {seeds} seeds", aggregate_coverage(round(2000 * scale), seeds)


def _choices(scale: float) -> Iterator[Line]:
    """Yield what choosing the best does."""
    yield "best of 10 arms, in standard errors: overstated naively, corrected; coverage", ()
    for spread in (0.0, 1.0, 3.0):
        yield f"  true means spread by {spread}", tuple(winners_curse(round(1500 * scale), spread=spread).values())
    yield "level of the best of 10: its own p, max-T", winners_level(round(2000 * scale))
    yield "guard, 200 points: overstated by looking, by the guard", guard(round(300 * scale))


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="how much to simulate")
    scale = parser.parse_args().scale
    started = time.monotonic()
    for part in (_tests, _intervals, _choices):
        for what, numbers in part(scale):
            print(f"{what:74} " + "  ".join(f"{number:7.4f}" for number in numbers), flush=True)
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
