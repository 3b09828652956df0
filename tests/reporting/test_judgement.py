from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import QUICKSTART, Sweep

from harness.reporting.judgement import aggregates, looks, selections, varying
from harness.reporting.results import Results, read_results
from harness.stats import best_of, interquartile_mean, variance_components

SMALL = Sweep(arms=QUICKSTART[:5], test=40, dev=20)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    sweep = replace(SMALL, datasets=("one", "two"), seeds=(0, 1, 2, 3, 4))
    return read_results(sweep.write(tmp_path_factory.mktemp("judged")))


def test_the_best_of_the_trained_arms_is_corrected_on_each_dataset(results: Results) -> None:
    found = selections(results)

    assert [each.dataset for each in found] == ["one", "two"]
    for each in found:
        cells = [results.cells[name, each.dataset] for name in ("in-batch", "random", "topk", "topk shifted 10")]
        scores = np.column_stack([cell.scores.mean(axis=1) for cell in cells])
        expected = best_of(scores, baseline=scores[:, 2], seed=20)
        assert each.result == expected
        assert each.count == 4
        assert each.arm == cells[int(scores.mean(axis=0).argmax())].arm.name
        assert each.result.score.mean < scores.mean(axis=0).max()


def test_the_p_of_the_best_counts_every_arm_that_might_have_been(results: Results) -> None:
    alone = replace(
        results,
        plan=results.plan.model_copy(update={"arms": tuple(a for a in results.plan.arms if a.name != "random")}),
    )

    several, fewer = selections(results)[0], selections(alone)[0]

    assert several.arm == fewer.arm
    assert several.p is not None
    assert fewer.p is not None
    assert several.p >= fewer.p


def test_a_baseline_that_is_best_has_no_p(tmp_path: Path) -> None:
    arms = (replace(QUICKSTART[3], level=0.9), QUICKSTART[1])

    (found,) = selections(read_results(replace(SMALL, arms=arms).write(tmp_path)))

    assert found.arm == "topk"
    assert found.p is None


def test_one_contender_leaves_nothing_to_choose(tmp_path: Path) -> None:
    assert selections(read_results(replace(SMALL, arms=QUICKSTART[2:3], baseline=None).write(tmp_path))) == ()


def test_components_are_those_of_the_differences_to_the_baseline(results: Results) -> None:
    found = {each.arm: each.components for each in varying(results)}

    assert set(found) == {"untrained", "in-batch", "random", "topk shifted 10"}
    tables = [results.cells["random", name].scores - results.cells["topk", name].scores for name in ("one", "two")]
    expected = variance_components(tables)
    for name in ("query", "seed", "dataset", "residual"):
        assert getattr(found["random"], name) == pytest.approx(getattr(expected, name), rel=1e-9)


def test_without_a_baseline_components_are_those_of_the_scores(tmp_path: Path) -> None:
    results = read_results(replace(SMALL, baseline=None).write(tmp_path))

    found = {each.arm: each.components for each in varying(results)}

    assert found["topk"] == variance_components([results.cells["topk", "docstrings"].scores])
    assert found["topk"].dataset is None


def test_one_seed_has_no_components(tmp_path: Path) -> None:
    assert varying(read_results(replace(SMALL, seeds=(0,)).write(tmp_path))) == ()


def test_runs_are_aggregated_with_five_seeds_and_not_with_four(results: Results, tmp_path: Path) -> None:
    found = {each.arm: each for each in aggregates(results)}

    assert set(found) == {"in-batch", "random", "topk", "topk shifted 10"}
    runs = np.column_stack([results.cells["random", name].scores.mean(axis=0) for name in ("one", "two")])
    assert found["random"].middle == interquartile_mean(runs, seed=20)
    assert found["topk"].improvement is None
    wins = [
        float(np.mean(mine[:, None] > other[None]) + np.mean(mine[:, None] == other[None]) / 2)
        for mine, other in (
            (results.cells["random", name].scores.mean(axis=0), results.cells["topk", name].scores.mean(axis=0))
            for name in ("one", "two")
        )
    ]
    assert found["random"].improvement is not None
    assert found["random"].improvement.mean == pytest.approx(np.mean(wins))
    assert aggregates(read_results(replace(SMALL, seeds=(0, 1, 2, 3)).write(tmp_path))) == ()


def test_looks_at_test_are_counted_and_the_gap_to_dev_taken(results: Results) -> None:
    found = looks(results, ["random", "never run"])

    assert (found.runs, found.arms, found.unjudged) == (50, 5, 1)
    assert set(found.gaps) == {"in-batch", "random", "topk", "topk shifted 10"}
    test = np.mean([results.cells["topk", name].scores.mean() for name in ("one", "two")])
    dev = np.mean(
        [run.metrics["dev"]["ndcg_at_10"] for name in ("one", "two") for run in results.cells["topk", name].runs]
    )
    assert found.gaps["topk"] == pytest.approx(test - dev)
