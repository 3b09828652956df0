import numpy as np
import pytest
from scipy import stats as reference

from harness.errors import NumericError
from harness.stats import best_of, max_t, mean_interval, paired_comparison


def _scores(seed: int, queries: int = 80, arms: int = 6, common: float = 0.2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 0.5 + rng.normal(0, common, (queries, 1)) + rng.normal(0, 0.1, (queries, arms))


def test_the_estimate_agrees_with_choosing_and_leaving_out_one_by_one() -> None:
    scores, baseline = _scores(1), _scores(2)[:, 0]
    rng = np.random.default_rng(3)
    left_out, lead, chosen = [], [], []
    for _ in range(3000):
        drawn = rng.integers(0, 80, 80)
        rest = np.setdiff1d(np.arange(80), drawn)
        chosen.append(scores[drawn].mean(axis=0).argmax())
        left_out.append(scores[rest, chosen[-1]].mean())
        lead.append(left_out[-1] - baseline[rest].mean())

    result = best_of(scores, baseline=baseline, seed=0)

    best = scores.mean(axis=0).argmax()
    assert (result.arm, result.naive_score) == (best, pytest.approx(scores.mean(axis=0).max()))
    assert result.score.mean == pytest.approx(np.mean(left_out), abs=4 * np.std(left_out) / np.sqrt(3000))
    assert result.difference.mean == pytest.approx(np.mean(lead), abs=4 * np.std(lead) / np.sqrt(3000))
    assert result.chosen == pytest.approx(np.mean(np.array(chosen) == best), abs=0.03)


def test_the_interval_is_that_of_the_arm_its_lower_end_moved_by_the_correction() -> None:
    scores, baseline = _scores(1), _scores(2)[:, 0]

    result = best_of(scores, baseline=baseline, seed=0, resamples=2000)

    plain = mean_interval(scores[:, result.arm], seed=0, resamples=2000)
    taken = result.naive_score - result.score.mean
    assert taken > 0.0
    assert (result.score.low, result.score.high) == pytest.approx((plain.low - taken, plain.high))
    lead = mean_interval(scores[:, result.arm] - baseline, seed=0, resamples=2000)
    taken = result.naive_difference - result.difference.mean
    assert result.naive_difference == pytest.approx(lead.mean)
    assert (result.difference.low, result.difference.high) == pytest.approx((lead.low - taken, lead.high))


def test_one_arm_was_not_chosen_and_is_not_corrected() -> None:
    scores = _scores(4, arms=1)

    result = best_of(scores, seed=0)

    assert (result.arm, result.chosen, result.naive_difference, result.difference) == (0, 1.0, None, None)
    assert result.score.mean == pytest.approx(scores.mean(), abs=0.002)


def test_of_equal_arms_the_first_is_best_in_every_resample() -> None:
    column = _scores(5, arms=1)

    result = best_of(np.hstack([column - 0.1, column, column, column]), seed=0, resamples=200)

    assert (result.arm, result.chosen) == (1, 1.0)


def test_two_queries_suffice_and_one_does_not() -> None:
    result = best_of([[0.2], [0.4]], seed=0, resamples=400)

    assert result.score.mean == pytest.approx(0.3, abs=0.03)
    with pytest.raises(ValueError, match="at least two"):
        best_of([[0.2]], seed=0)


def test_best_of_refuses_what_does_not_pair() -> None:
    with pytest.raises(ValueError, match=r"baseline must have shape \(80,\).*got \(79, 1\)"):
        best_of(_scores(1), baseline=np.zeros(79), seed=0)
    with pytest.raises(NumericError, match="scores holds 1 values"):
        best_of([[0.1], [np.nan]], seed=0)


def test_one_comparison_needs_no_adjustment() -> None:
    differences = _scores(6, arms=1, common=0.05)[:, 0] - 0.48

    (p,) = max_t(differences, seed=0)

    assert p == pytest.approx(paired_comparison(differences, np.zeros(80), seed=0).p_permutation, abs=0.01)


def test_the_step_down_agrees_with_all_sign_flips_written_out() -> None:
    rng = np.random.default_rng(7)
    differences = np.array([0.05, 0.1, 0.02]) + rng.normal(0, 0.1, (10, 1)) + rng.normal(0, 0.1, (10, 3))
    flips = np.array(np.meshgrid(*[[-1, 1]] * 10)).reshape(10, -1).T

    def t(values: np.ndarray) -> np.ndarray:
        return np.abs(reference.ttest_1samp(values, 0.0).statistic)

    observed = t(differences)
    order = np.argsort(-observed)
    flipped = np.array([t(differences * signs[:, None]) for signs in flips])
    steps = [np.mean(flipped[:, order[rank:]].max(axis=1) >= observed[order[rank]] - 1e-9) for rank in range(3)]
    expected = np.empty(3)
    expected[order] = np.maximum.accumulate(steps)

    found = max_t(differences, seed=0)

    assert found == pytest.approx(expected, abs=0.015)
    assert len(set(expected)) > 1


def test_arms_that_resemble_each_other_cost_less_than_by_holm() -> None:
    differences = np.random.default_rng(8).normal(0.024, 0.1, (80, 1)) + np.zeros((80, 10))

    p = max_t(differences, seed=0)

    assert p == pytest.approx([max_t(differences[:, 0], seed=0)[0]] * 10)


def test_no_arm_has_a_smaller_p_than_one_that_leads_it() -> None:
    first = np.random.default_rng(10).normal(0.0, 0.1, 60)
    first += 0.02 - first.mean()

    p = max_t(np.column_stack([first, first[::-1]]), seed=0, resamples=2000)

    assert p[0] == p[1]
    assert p[0] > 1.5 * max_t(first, seed=0, resamples=2000)[0]


def test_an_arm_of_ties_has_no_small_p() -> None:
    differences = np.random.default_rng(9).normal(0.1, 0.1, (50, 2)) * [1.0, 0.0]

    p = max_t(differences, seed=0, resamples=500)

    assert p == [pytest.approx(1 / 501), 1.0]


def test_the_same_seed_gives_the_same_answer_and_another_seed_another() -> None:
    scores = _scores(1)

    assert best_of(scores, seed=1, resamples=100) == best_of(scores, seed=1, resamples=100)
    assert best_of(scores, seed=1, resamples=100) != best_of(scores, seed=2, resamples=100)
    assert max_t(scores - 0.5, seed=1, resamples=100) == max_t(scores - 0.5, seed=1, resamples=100)
    assert max_t(scores - 0.5, seed=1, resamples=100) != max_t(scores - 0.5, seed=2, resamples=100)
