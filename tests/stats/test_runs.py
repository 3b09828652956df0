import numpy as np
import pytest
import scipy.stats
from scipy import stats as reference

from harness.errors import NumericError
from harness.stats import interquartile_mean, probability_of_improvement
from harness.stats.resampling import expanded_tail


def _runs(seed: int, seeds: int = 6, datasets: int = 3, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return shift + np.linspace(0.2, 0.6, datasets) + rng.normal(0, 0.05, (seeds, datasets))


def test_the_interquartile_mean_is_the_trimmed_mean_of_all_runs() -> None:
    runs = _runs(1, seeds=7)

    result = interquartile_mean(runs, seed=0, resamples=50)

    assert result.mean == pytest.approx(reference.trim_mean(runs, 0.25, axis=None))


def test_an_outlying_run_does_not_move_the_interquartile_mean() -> None:
    runs = _runs(1)
    spoilt = runs.copy()
    spoilt[np.unravel_index(runs.argmin(), runs.shape)] = -100.0

    assert interquartile_mean(spoilt, seed=0, resamples=5).mean == interquartile_mean(runs, seed=0, resamples=5).mean


def test_seeds_are_resampled_within_their_dataset() -> None:
    runs = np.tile([0.1, 0.4, 0.9], (5, 1))

    result = interquartile_mean(runs, seed=0, resamples=50)

    assert result.low == result.high == result.mean


def test_improvement_counts_pairs_of_runs_dataset_by_dataset() -> None:
    a, b = _runs(2, seeds=5, shift=0.03).round(1), _runs(3, seeds=6).round(1)
    expected = np.mean(
        [
            np.mean([1.0 if x > y else 0.5 if x == y else 0.0 for x in a[:, d] for y in b[:, d]])
            for d in range(a.shape[1])
        ]
    )

    result = probability_of_improvement(a, b, seed=0, resamples=50)

    assert 0.0 < expected < 1.0
    assert result.mean == pytest.approx(expected)
    assert probability_of_improvement(b, a, seed=0, resamples=50).mean == pytest.approx(1.0 - expected)


def test_improvement_on_one_dataset_is_mann_whitneys_u() -> None:
    a, b = _runs(2, datasets=1, shift=0.02), _runs(3, seeds=8, datasets=1)

    result = probability_of_improvement(a, b, seed=0, resamples=50)

    assert result.mean == pytest.approx(reference.mannwhitneyu(a[:, 0], b[:, 0]).statistic / 48)


def test_the_interval_of_improvement_agrees_with_resampling_run_by_run() -> None:
    a, b = _runs(4, seeds=5, shift=0.03), _runs(5, seeds=5)
    rng = np.random.default_rng(6)
    chances = []
    for _ in range(2000):
        wins = [(rng.choice(a[:, d], 5)[:, None] > rng.choice(b[:, d], 5)[None]).mean() for d in range(a.shape[1])]
        chances.append(np.mean(wins))

    result = probability_of_improvement(a, b, seed=0)

    tail = expanded_tail(5, a.shape[1] * 8)
    assert (result.low, result.high) == pytest.approx(np.quantile(chances, [tail, 1.0 - tail]), abs=0.03)


def test_the_interval_of_the_interquartile_mean_agrees_with_resampling_each_dataset_by_itself() -> None:
    # the same on each dataset: drawn together, seeds would move the mean more
    runs = np.repeat(_runs(7, datasets=1), 3, axis=1)
    rng = np.random.default_rng(8)
    means = [
        reference.trim_mean(np.stack([rng.choice(runs[:, d], 6) for d in range(3)]), 0.25, axis=None)
        for _ in range(4000)
    ]

    result = interquartile_mean(runs, seed=0)

    tail = expanded_tail(6, 7)
    assert (result.low, result.high) == pytest.approx(np.quantile(means, [tail, 1.0 - tail]), abs=0.2 * np.std(means))


def test_the_expanded_tail_makes_a_normal_interval_a_t_interval() -> None:
    # one dataset, five runs: the bootstrap's spread is sqrt(4 / 5) of the sample's, the quantile t's with 4 degrees
    tail = expanded_tail(5, 4)

    assert -scipy.stats.norm.ppf(tail) * np.sqrt(4 / 5) == pytest.approx(scipy.stats.t.ppf(0.975, 4))
    assert expanded_tail(100_000, 100_000) == pytest.approx(0.025, rel=1e-3)


def test_the_same_seed_gives_the_same_answer_and_another_seed_another() -> None:
    a, b = _runs(2), _runs(3)

    assert interquartile_mean(a, seed=1, resamples=50) == interquartile_mean(a, seed=1, resamples=50)
    assert interquartile_mean(a, seed=1, resamples=50) != interquartile_mean(a, seed=2, resamples=50)
    first = probability_of_improvement(a, b, seed=1, resamples=50)
    assert first == probability_of_improvement(a, b, seed=1, resamples=50)
    assert first != probability_of_improvement(a, b, seed=2, resamples=50)


def test_too_few_seeds_or_other_datasets_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 5 seeds, got \(4, 3\)"):
        interquartile_mean(_runs(1, seeds=4), seed=0)
    with pytest.raises(ValueError, match="b must have shape"):
        probability_of_improvement(_runs(1), _runs(1, seeds=2), seed=0)
    with pytest.raises(ValueError, match="same datasets, got 3 and 2"):
        probability_of_improvement(_runs(1), _runs(1, datasets=2), seed=0)
    with pytest.raises(NumericError, match="runs holds 18 values"):
        interquartile_mean(_runs(1) * np.nan, seed=0)
