import numpy as np
import pytest
from scipy import stats as reference

from harness import stats
from harness.errors import NumericError
from harness.stats import resampling


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
    monkeypatch.setattr(resampling, "_CHUNK", 100)

    assert resampling._chunks(25, 10) == [10, 10, 5]
    assert resampling._chunks(3, 1000) == [1, 1, 1]
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


def test_a_small_difference_is_still_one() -> None:
    result = stats.paired_comparison([1e-6, -1e-6, 1e-6, 1e-12], np.zeros(4), seed=0, resamples=10)

    assert (result.wins, result.ties, result.losses) == (2, 1, 1)


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
    assert stats.verdict(result, 1.0, 1.0) == "noise"


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


def test_rank_correlation_is_spearmans_and_undefined_without_variation() -> None:
    assert stats.rank_correlation([1, 2, 3], [9, 5, 1]) == pytest.approx(-1.0)
    assert stats.rank_correlation([1, 1, 1], [9, 5, 1]) is None


def test_many_pairs_at_once_give_what_each_gives_alone() -> None:
    pairs = [_scores(place, shift=0.01 * place, seeds=1 + place % 3) for place in range(5)]

    together = stats.paired_comparisons(pairs, seed=9, resamples=300)

    for (a, b), result in zip(pairs, together, strict=True):
        alone = stats.paired_comparison(a, b, seed=9, resamples=300)
        assert (result.p_permutation, result.p_seeds) == (alone.p_permutation, alone.p_seeds)
        assert (result.wins, result.ties, result.losses) == (alone.wins, alone.ties, alone.losses)
        assert result.difference.low == pytest.approx(alone.difference.low, rel=1e-12)
        assert result.difference.high == pytest.approx(alone.difference.high, rel=1e-12)
    assert stats.paired_comparisons([], seed=9) == []


def test_the_numbers_are_those_that_were_published() -> None:
    rng = np.random.default_rng(11)
    difficulty = rng.normal(0.5, 0.2, (60, 1))
    noise = rng.normal(0, 0.1, (2, 60, 3))
    a, b = (difficulty + 0.02 + noise[0]).round(2), (difficulty + noise[1]).round(2)

    result = stats.paired_comparison(a, b, seed=7, resamples=999)

    assert (result.p_permutation, result.p_t) == (0.097, pytest.approx(0.1041605786, abs=1e-10))
    assert result.difference.low == pytest.approx(-0.000669444444, abs=1e-11)
    assert result.difference.high == pytest.approx(0.025783333333, abs=1e-11)
    macro = stats.macro_interval([a, b[:25]], seed=3, resamples=500)
    assert (macro.low, macro.high) == (pytest.approx(0.464008888889), pytest.approx(0.546319861111))


def test_sign_flips_drawn_in_blocks_give_the_published_p() -> None:
    values = np.random.default_rng(12).normal(0.001, 0.1, 1500).round(2)

    result = stats.paired_comparison(values, np.zeros(1500), seed=20)

    assert (result.p_permutation, result.ties) == (0.3184681531846815, 61)


def test_pairs_over_different_queries_are_refused() -> None:
    with pytest.raises(ValueError, match=r"same queries, got \[2, 3\]"):
        stats.paired_comparisons([([1.0, 2.0], [0.0, 0.0]), ([1.0, 2.0, 3.0], [0.0] * 3)], seed=0)


def test_the_test_over_seeds_comes_with_the_comparison() -> None:
    a, b = _scores(6)

    result = stats.paired_comparison(a, b, seed=0, resamples=50)

    alone = stats.seed_test(a - b)
    assert (result.p_seeds, result.over_seeds) == (alone.p, alone.interval)


def test_one_seed_or_one_query_leaves_the_test_over_seeds_open() -> None:
    a, b = _scores(6)

    one_seed = stats.paired_comparison(a[:, :1], b[:, :1], seed=0, resamples=50)
    one_query = stats.paired_comparison(a[:1], b[:1], seed=0, resamples=50)

    assert (one_seed.p_seeds, one_seed.over_seeds) == (None, None)
    assert (one_query.p_seeds, one_query.over_seeds) == (None, None)


def test_sides_that_depend_on_no_seed_need_one_column_only() -> None:
    a, b = _scores(6, seeds=1)

    result = stats.paired_comparison(a, b, seed=0, resamples=50, seedless=True)

    assert result.seeds == 1
    assert result.p_seeds == pytest.approx(result.p_t)
    assert result.seed_spread is None
