import numpy as np
import pytest
from scipy import stats as reference

from harness import stats
from harness.errors import NumericError
from harness.stats.seeds import mean_squares


def _table(queries: int, seeds: int, between: float, by_seed: float, rest: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    rows, columns = rng.normal(0, between, (queries, 1)), rng.normal(0, by_seed, seeds)
    return 0.02 + rows + columns + rng.normal(0, rest, (queries, seeds))


def test_mean_squares_match_sums_written_out() -> None:
    table = _table(7, 3, 0.2, 0.1, 0.05)
    mean = table.mean()
    rows = sum(3 * (table[q].mean() - mean) ** 2 for q in range(7)) / 6
    columns = sum(7 * (table[:, s].mean() - mean) ** 2 for s in range(3)) / 2
    rest = sum((table[q, s] - table[q].mean() - table[:, s].mean() + mean) ** 2 for q in range(7) for s in range(3)) / (
        6 * 2
    )

    found = mean_squares(table)

    assert (found.queries, found.seeds, found.residual) == pytest.approx((rows, columns, rest))


def test_without_variation_over_seeds_it_is_the_paired_t_test() -> None:
    values = _table(50, 1, 0.2, 0.0, 0.0)

    result = stats.seed_test(np.repeat(values, 4, axis=1))

    expected = reference.ttest_1samp(values[:, 0], 0.0)
    interval = expected.confidence_interval(0.95)
    assert result.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (result.interval.low, result.interval.high) == pytest.approx((interval.low, interval.high))


def test_without_variation_over_queries_it_is_the_t_test_on_seeds() -> None:
    by_seed = np.array([0.01, 0.03, 0.05, 0.02])

    result = stats.seed_test(np.tile(by_seed, (30, 1)))

    expected = reference.ttest_1samp(by_seed, 0.0)
    interval = expected.confidence_interval(0.95)
    assert result.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (result.interval.low, result.interval.high) == pytest.approx((interval.low, interval.high))


def test_the_squared_half_width_adds_queries_and_seeds_each_with_its_quantile() -> None:
    table = _table(40, 3, 0.3, 0.02, 0.1)
    squares = mean_squares(table)

    result = stats.seed_test(table)

    queries = reference.t.ppf(0.975, 39) ** 2 * (squares.queries - squares.residual) / 120
    seeds = reference.t.ppf(0.975, 2) ** 2 * squares.seeds / 120
    assert result.interval.high - result.interval.mean == pytest.approx(np.sqrt(queries + seeds))
    assert result.interval.mean - result.interval.low == pytest.approx(np.sqrt(queries + seeds))


@pytest.mark.parametrize("shift", [-0.3, -0.1, -0.02, 0.0, 0.05, 0.15])
def test_p_is_below_the_level_just_where_the_interval_leaves_out_zero(shift: float) -> None:
    result = stats.seed_test(_table(40, 3, 0.3, 0.02, 0.1) + shift)

    assert (result.p < 0.05) == (not result.interval.low <= 0.0 <= result.interval.high)


def test_a_residual_larger_than_the_queries_leaves_no_negative_variance() -> None:
    table = np.array([[0.1, -0.1], [-0.1, 0.1], [0.1, -0.1], [-0.1, 0.2]])
    squares = mean_squares(table)
    assert squares.queries < squares.residual

    result = stats.seed_test(table)

    half = reference.t.ppf(0.975, 1) * np.sqrt(squares.seeds / 8)
    assert result.interval.high - result.interval.mean == pytest.approx(half)


def test_what_does_not_vary_at_all_is_certain() -> None:
    assert stats.seed_test(np.zeros((5, 3))).p == 1.0
    constant = stats.seed_test(np.full((5, 3), 0.25))
    assert constant.p == pytest.approx(1e-12)
    assert (constant.interval.low, constant.interval.high) == (0.25, 0.25)


def test_rounding_is_no_difference() -> None:
    assert stats.seed_test(np.full((5, 3), 1e-17)).p == 1.0


def test_one_query_or_one_seed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least two of each, got \(5, 1\)"):
        stats.seed_test(np.zeros(5))
    with pytest.raises(ValueError, match="at least two of each"):
        stats.seed_test(np.zeros((1, 5)))
    with pytest.raises(NumericError, match="differences holds 1 values"):
        stats.seed_test([[0.0, np.nan], [0.0, 0.0]])
