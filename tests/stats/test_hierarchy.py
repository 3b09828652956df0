import numpy as np
import pytest

from harness.errors import NumericError
from harness.stats import hierarchical_interval, macro_interval

ALL = ("dataset", "seed", "query")


def _tables(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        level + rng.normal(0, 0.1, (queries, 1)) + rng.normal(0, 0.05, 4) + rng.normal(0, 0.1, (queries, 4))
        for level, queries in ((0.2, 30), (0.5, 50), (0.3, 20))
    ]


@pytest.mark.parametrize("levels", [(), ("query",), ("seed",), ("dataset",), ("seed", "query"), ALL])
def test_the_interval_agrees_with_drawing_level_by_level(levels: tuple[str, ...]) -> None:
    tables = _tables()
    rng = np.random.default_rng(1)

    def drawn(n: int, level: str) -> np.ndarray:
        return rng.integers(0, n, n) if level in levels else np.arange(n)

    means = [
        np.mean(
            [tables[d][np.ix_(drawn(len(tables[d]), "query"), drawn(4, "seed"))].mean() for d in drawn(3, "dataset")]
        )
        for _ in range(3000)
    ]

    result = hierarchical_interval(tables, levels=levels, seed=0, resamples=6000)

    spread = np.std(means)
    assert result.mean == pytest.approx(np.mean([table.mean() for table in tables]))
    assert (result.low, result.high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.12 * spread + 1e-12)


def test_drawing_queries_alone_is_the_macro_average() -> None:
    tables = _tables()

    result = hierarchical_interval(tables, levels=("query",), seed=3, resamples=500)

    assert result.low == pytest.approx(macro_interval(tables, seed=3, resamples=500).low)


def test_seeds_and_queries_are_drawn_unless_said_otherwise() -> None:
    tables = _tables()

    assert hierarchical_interval(tables, seed=3, resamples=200) == hierarchical_interval(
        tables, levels=("query", "seed"), seed=3, resamples=200
    )


def test_the_same_seed_gives_the_same_answer_and_another_seed_another() -> None:
    first = hierarchical_interval(_tables(), levels=ALL, seed=1, resamples=200)

    assert first == hierarchical_interval(_tables(), levels=ALL, seed=1, resamples=200)
    assert first != hierarchical_interval(_tables(), levels=ALL, seed=2, resamples=200)


def test_an_unknown_level_no_dataset_and_what_is_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got 3 datasets, levels \['arm'\]"):
        hierarchical_interval(_tables(), levels=("arm",), seed=0)
    with pytest.raises(ValueError, match="got 0 datasets"):
        hierarchical_interval([], seed=0)
    with pytest.raises(NumericError, match="dataset 1 holds 1 values"):
        hierarchical_interval([[0.0], [np.nan]], seed=0)
