import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from harness.errors import NumericError
from harness.stats import variance_components


def _dataset(rng: np.random.Generator, queries: int, seeds: int, **sd: float) -> np.ndarray:
    return (
        rng.normal(0, sd["dataset"])
        + rng.normal(0, sd["query"], (queries, 1))
        + rng.normal(0, sd["seed"], seeds)
        + rng.normal(0, sd["residual"], (queries, seeds))
    )


def _long(tables: list[np.ndarray]) -> pd.DataFrame:
    rows = [
        {"y": table[q, s], "d": f"d{d}", "q": f"d{d}q{q}", "run": f"d{d}s{s}"}
        for d, table in enumerate(tables)
        for q in range(len(table))
        for s in range(table.shape[1])
    ]
    return pd.DataFrame(rows)


def test_balanced_data_give_what_restricted_likelihood_gives() -> None:
    rng = np.random.default_rng(2)
    tables = [_dataset(rng, 12, 4, dataset=3.0, query=2.0, seed=1.0, residual=0.5) for _ in range(4)]

    found = variance_components(tables)

    frame = _long(tables)
    parts = {"d": "0 + C(d)", "q": "0 + C(q)", "run": "0 + C(run)"}
    fitted = MixedLM.from_formula("y ~ 1", frame, groups=np.ones(len(frame)), vc_formula=parts).fit(reml=True)
    expected = dict(zip(fitted.model.exog_vc.names, fitted.vcomp, strict=True))
    assert found.truncated == ()
    assert found.query == pytest.approx(expected["q"], rel=1e-3)
    assert found.seed == pytest.approx(expected["run"], rel=1e-3)
    assert found.dataset == pytest.approx(expected["d"], rel=1e-3)
    assert found.residual == pytest.approx(fitted.scale, rel=1e-3)


def test_components_of_unequal_datasets_are_right_on_average() -> None:
    rng = np.random.default_rng(3)
    sd = {"dataset": 0.2, "query": 0.3, "seed": 0.1, "residual": 0.2}

    found = [
        variance_components(
            [_dataset(rng, queries, seeds, **sd) for queries, seeds in ((15, 3), (40, 4), (25, 6), (9, 5))]
        )
        for _ in range(600)
    ]

    for name, value in sd.items():
        estimates = np.array([getattr(components, name) for components in found])
        error = estimates.std() / np.sqrt(len(estimates))
        # truncation lifts the dataset's component a little: it is rarely, not never, below 0
        assert np.mean(estimates) == pytest.approx(value**2, abs=3.5 * error + (0.0015 if name == "dataset" else 0.0))


def test_sums_of_squares_of_unequal_datasets_are_pooled() -> None:
    rng = np.random.default_rng(7)
    tables = [_dataset(rng, n, m, dataset=0.2, query=0.3, seed=0.3, residual=0.2) for n, m in ((6, 2), (11, 5))]
    left = [t - t.mean(axis=1, keepdims=True) - t.mean(axis=0) + t.mean() for t in tables]
    residual = sum((part**2).sum() for part in left) / (5 * 1 + 10 * 4)
    rows = sum(t.shape[1] * ((t.mean(axis=1) - t.mean()) ** 2).sum() for t in tables)
    columns = sum(len(t) * ((t.mean(axis=0) - t.mean()) ** 2).sum() for t in tables)

    found = variance_components(tables)

    assert found.residual == pytest.approx(residual)
    # expected: 15 (residual) + (5 * 2 + 10 * 5) query, and 5 (residual) + (1 * 6 + 4 * 11) seed
    assert found.query == pytest.approx((rows - 15 * residual) / 60)
    assert found.seed == pytest.approx((columns - 5 * residual) / 50)


def test_shares_add_up_to_one() -> None:
    rng = np.random.default_rng(4)

    shares = variance_components(
        [_dataset(rng, 20, 3, dataset=0.3, query=0.2, seed=0.1, residual=0.1) for _ in range(3)]
    ).shares

    assert sum(shares.values()) == pytest.approx(1.0)
    assert all(share > 0.0 for share in shares.values())


def test_one_dataset_has_no_component_of_datasets() -> None:
    rng = np.random.default_rng(5)

    found = variance_components([_dataset(rng, 20, 3, dataset=0.3, query=0.2, seed=0.1, residual=0.1)])

    assert found.dataset is None
    assert found.shares["dataset"] == 0.0


def test_an_estimate_below_zero_is_cut_off_and_said_so() -> None:
    table = np.array([[0.1, -0.1], [-0.1, 0.1], [0.1, -0.1], [-0.1, 0.1]])

    found = variance_components([table, table + 0.001])

    assert (found.query, found.seed) == (0.0, 0.0)
    assert found.dataset == pytest.approx(0.001**2 / 2)
    assert found.truncated == ("query", "seed")


def test_datasets_that_differ_less_than_their_queries_explain_have_no_variance() -> None:
    table = _dataset(np.random.default_rng(6), 20, 3, dataset=0.0, query=0.2, seed=0.1, residual=0.1)

    found = variance_components([table, table])

    assert (found.dataset, found.truncated) == (0.0, ("dataset",))


def test_scores_that_do_not_vary_have_no_shares() -> None:
    found = variance_components([np.full((4, 2), 0.5)])

    assert found.truncated == ()
    assert set(found.shares.values()) == {0.0}


def test_too_little_data_is_refused() -> None:
    with pytest.raises(ValueError, match=r"two seeds, got \[\(3, 1\)\]"):
        variance_components([np.zeros((3, 1)), np.zeros((3, 2))])
    with pytest.raises(ValueError, match="got no dataset"):
        variance_components([])
    with pytest.raises(NumericError, match="dataset 1 holds 1 values"):
        variance_components([np.zeros((3, 2)), [[0.0, np.inf], [0.0, 0.0]]])
