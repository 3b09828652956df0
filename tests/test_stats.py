import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from harness import stats
from harness.errors import NumericError


def _scores(seed: int, queries: int = 60, seeds: int = 3, shift: float = 0.03) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0.5, 0.2, (queries, 1))
    noise = rng.normal(0.0, 0.1, (2, queries, seeds))
    return difficulty + shift + noise[0], difficulty + noise[1]


def test_the_t_test_agrees_with_scipy_on_seed_averages() -> None:
    a, b = _scores(1)

    result = stats.paired_comparison(a, b, seed=0, resamples=200)

    expected = reference.ttest_rel(a.mean(axis=1), b.mean(axis=1))
    assert result.p_t == pytest.approx(expected.pvalue, rel=1e-9)
    assert result.difference.mean == pytest.approx((a - b).mean())


def test_the_permutation_p_agrees_with_scipy_within_monte_carlo_error() -> None:
    a, b = _scores(2, shift=0.015)

    result = stats.paired_comparison(a, b, seed=0)

    expected = reference.permutation_test(
        (a.mean(axis=1), b.mean(axis=1)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=20_000,
        rng=np.random.default_rng(5),
    ).pvalue
    assert 0.02 < expected < 0.9
    assert result.p_permutation == pytest.approx(expected, abs=4 * np.sqrt(expected / 10_000))


def test_the_permutation_p_is_exact_where_all_sign_flips_can_be_listed() -> None:
    differences = np.array([0.3, 0.1, 0.2, -0.1, 0.2, 0.3])
    flips = np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1)
    sums = np.abs(differences @ flips)
    exact = np.mean(sums >= abs(differences.sum()) - 1e-9)

    result = stats.paired_comparison(differences, np.zeros(6), seed=3, resamples=20_000)

    assert result.p_permutation == pytest.approx(exact, abs=0.01)


def test_the_bootstrap_interval_agrees_with_scipy() -> None:
    a, b = _scores(3, queries=200)
    values = (a - b).mean(axis=1)

    result = stats.paired_comparison(a, b, seed=0)

    expected = reference.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(5)
    ).confidence_interval
    assert result.difference.low == pytest.approx(expected.low, abs=0.001)
    assert result.difference.high == pytest.approx(expected.high, abs=0.001)


def test_the_same_seed_gives_the_same_answer_and_another_seed_another() -> None:
    a, b = _scores(4, shift=0.01)

    first = stats.paired_comparison(a, b, seed=1, resamples=500)

    assert first == stats.paired_comparison(a, b, seed=1, resamples=500)
    other = stats.paired_comparison(a, b, seed=2, resamples=500)
    assert first.p_permutation != other.p_permutation
    assert first.difference.low != other.difference.low
    assert stats.mean_interval(a, seed=1, resamples=500) != stats.mean_interval(a, seed=2, resamples=500)


def test_chunking_covers_every_resample_and_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "_CHUNK", 100)

    assert stats._chunks(25, 10) == [10, 10, 5]
    assert stats._chunks(3, 1000) == [1, 1, 1]
    a, b = _scores(4)
    assert 0 < stats.paired_comparison(a, b, seed=1, resamples=37).p_permutation <= 1


def test_seeds_are_not_counted_as_queries() -> None:
    a, b = _scores(5, seeds=1)

    once = stats.paired_comparison(a, b, seed=0, resamples=500)
    thrice = stats.paired_comparison(np.repeat(a, 3, axis=1), np.repeat(b, 3, axis=1), seed=0, resamples=500)

    assert once.p_permutation == thrice.p_permutation
    assert once.p_t == pytest.approx(thrice.p_t)
    assert (once.queries, once.seeds, thrice.queries, thrice.seeds) == (60, 1, 60, 3)


def test_seed_spread_is_the_deviation_of_the_per_seed_means_and_unknown_for_one_seed() -> None:
    a = np.array([[0.5, 0.7], [0.5, 0.7]])
    b = np.array([[0.4, 0.4], [0.4, 0.4]])

    assert stats.paired_comparison(a, b, seed=0, resamples=10).seed_spread == pytest.approx(np.std([0.1, 0.3], ddof=1))
    assert stats.paired_comparison(a[:, :1], b[:, :1], seed=0, resamples=10).seed_spread is None


def test_wins_ties_and_losses_ignore_rounding() -> None:
    a = np.array([[0.1, 0.2, 0.6], [0.9, 0.9, 0.9], [0.0, 0.0, 0.0]])
    b = np.array([[0.6, 0.1, 0.2], [0.1, 0.1, 0.1], [0.5, 0.5, 0.5]])
    assert (a - b).mean(axis=1)[0] != 0.0

    result = stats.paired_comparison(a, b, seed=0, resamples=10)

    assert (result.wins, result.ties, result.losses) == (1, 1, 1)


def test_effect_and_detectable_difference_follow_their_definitions() -> None:
    values = np.array([0.1, 0.2, 0.3, 0.4])

    result = stats.paired_comparison(values, np.zeros(4), seed=0, resamples=10)

    deviation = values.std(ddof=1)
    assert result.effect == pytest.approx(0.25 / deviation)
    assert result.detectable == pytest.approx((1.959964 + 0.841621) * deviation / 2, rel=1e-5)


def test_all_ties_are_no_difference() -> None:
    scores = np.tile([0.1, 0.5, 0.9], (4, 1))

    result = stats.paired_comparison(scores, scores, seed=0, resamples=100)

    assert (result.p_permutation, result.p_t, result.effect, result.ties) == (1.0, 1.0, None, 4)
    assert (result.difference.low, result.difference.high) == (0.0, 0.0)
    assert stats.verdict(result, 1.0) == "noise"


def test_a_constant_difference_has_no_t_test_and_no_effect() -> None:
    result = stats.paired_comparison(np.full(20, 0.75), np.full(20, 0.5), seed=0, resamples=1000)

    assert (result.p_t, result.effect) == (None, None)
    assert result.p_permutation < 0.01


def test_one_query_proves_nothing() -> None:
    result = stats.paired_comparison([[0.9, 0.8]], [[0.1, 0.2]], seed=0, resamples=100)

    assert (result.p_permutation, result.p_t, result.effect, result.detectable) == (1.0, None, None, None)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(NumericError, match="a holds 1 values that are not finite"):
        stats.paired_comparison([0.1, bad], [0.1, 0.2], seed=0)


def test_shapes_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="must be paired"):
        stats.paired_comparison([0.1, 0.2], [0.1], seed=0)
    with pytest.raises(ValueError, match="at least one of each"):
        stats.mean_interval(np.empty((0, 2)), seed=0)


def test_holm_matches_a_worked_example() -> None:
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.5, 0.9]) == [1.0, 1.0]
    assert stats.holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
@settings(max_examples=60, deadline=None)
def test_holm_never_lowers_a_p_and_keeps_their_order(p: list[float]) -> None:
    adjusted = stats.holm(p)

    assert all(before <= after <= 1.0 for before, after in zip(p, adjusted, strict=True))
    ranked = [value for _, value in sorted(zip(p, adjusted, strict=True))]
    assert ranked == sorted(ranked)
    assert all(after <= len(p) * before + 1e-12 for before, after in zip(p, adjusted, strict=True))


def test_under_the_null_the_rejection_rate_is_alpha() -> None:
    rng = np.random.default_rng(6)
    runs = 600

    rejected = [
        stats.paired_comparison(*rng.normal(size=(2, 25)), seed=run, resamples=199).p_permutation <= 0.05
        for run in range(runs)
    ]

    assert np.mean(rejected) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / runs))


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)

    covered = [
        interval.low <= 0.5 <= interval.high
        for run in range(800)
        for interval in [stats.mean_interval(rng.uniform(size=100), resamples=400, seed=run)]
    ]

    assert 0.93 <= np.mean(covered) <= 0.97


def test_a_macro_interval_weighs_groups_equally_and_pairs_within_them() -> None:
    large, small = np.full(90, 0.2), np.full(10, 0.8)

    assert stats.macro_interval([large, small], seed=0, resamples=50).mean == pytest.approx(0.5)
    difference = stats.macro_interval([large, small], paired_with=[large - 0.1, small], seed=0, resamples=50)
    assert (difference.mean, difference.low) == (pytest.approx(0.05), pytest.approx(0.05))


def test_the_verdict_needs_a_small_p_and_more_than_the_seed_spread() -> None:
    a, b = _scores(8, queries=300, shift=0.05)
    result = stats.paired_comparison(a, b, seed=0, resamples=500)
    noisy = stats.paired_comparison(a + np.array([-0.2, 0.0, 0.2]), b, seed=0, resamples=500)
    single = stats.paired_comparison(a[:, :1], b[:, :1], seed=0, resamples=500)

    assert stats.verdict(result, 0.01) == "better"
    assert stats.verdict(stats.paired_comparison(b, a, seed=0, resamples=500), 0.01) == "worse"
    assert stats.verdict(result, 0.05) == "noise"
    assert stats.verdict(noisy, 0.01) == "noise"
    assert stats.verdict(single, 0.01) == "one seed"


def test_rank_correlation_is_spearmans_and_undefined_without_variation() -> None:
    assert stats.rank_correlation([1, 2, 3], [9, 5, 1]) == pytest.approx(-1.0)
    assert stats.rank_correlation([1, 1, 1], [9, 5, 1]) is None
