from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import QUICKSTART, Arm, Sweep, mined

from harness.record import write_text
from harness.reporting.tables import Analysis, analyse
from harness.spec import Comparison, RangeSpec, SearchSpec
from harness.stats import holm, verdict
from harness.sweep_files import read_plan

FEW = QUICKSTART[2:6]
SMALL = Sweep(arms=FEW, test=60, dev=30)


def test_rows_are_sorted_by_the_test_metric_and_hold_the_records_numbers(analysis: Analysis) -> None:
    (table,) = analysis.tables

    scores = [row.score.mean for row in table.rows if row.score is not None]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 11
    row = table.row("topk percpos 0.80")
    assert row is not None
    assert row.score is not None
    runs = analysis.results.cells["topk percpos 0.80", "docstrings"].runs
    assert row.score.mean == pytest.approx(np.mean([run.metrics["test"]["ndcg_at_10"] for run in runs]))
    assert row.dev == pytest.approx(np.mean([run.metrics["dev"]["ndcg_at_10"] for run in runs]))
    assert (row.contamination, row.yields, row.backfilled) == pytest.approx((0.035, 0.81, 760))
    assert (row.steps, row.pairs, row.seeds_done) == ((96,), (2000,), 3)


def test_planned_comparisons_form_one_holm_family(analysis: Analysis) -> None:
    versus = [row.versus for row in analysis.tables[0].rows if row.versus is not None]

    assert len(versus) == 10
    assert [v.p_adjusted for v in versus] == pytest.approx(holm([v.result.p_permutation for v in versus]))
    assert all(v.planned for v in versus)


def test_comparisons_outside_the_plan_are_exploratory_and_corrected_apart(tmp_path: Path) -> None:
    (table,) = analyse(replace(SMALL, unplanned=("random",)).write(tmp_path)).tables

    versus = {row.arm: row.versus for row in table.rows if row.versus is not None}
    assert {arm: item.planned for arm, item in versus.items()} == {
        "random": False,
        "topk shifted 10": True,
        "topk abs": True,
    }
    assert versus["random"].p_adjusted == versus["random"].result.p_permutation


def test_a_comparison_that_failed_stays_in_its_family(tmp_path: Path) -> None:
    failed = [("topk abs", seed) for seed in (0, 1, 2)]
    (table,) = analyse(replace(SMALL, failed=failed).write(tmp_path)).tables

    versus = [row.versus for row in table.rows if row.versus is not None]
    assert len(versus) == 2
    expected = holm([*[item.result.p_permutation for item in versus], 1.0])[:2]
    assert [item.p_adjusted for item in versus] == expected
    assert expected != holm([item.result.p_permutation for item in versus])


def test_an_arm_with_missing_seeds_is_paired_on_the_seeds_it_has(tmp_path: Path) -> None:
    analysis = analyse(replace(SMALL, missing=[("random", 1)]).write(tmp_path))

    row = analysis.tables[0].row("random")
    assert row is not None
    assert row.versus is not None
    assert (row.seeds_done, row.seeds_planned, row.complete, row.versus.result.seeds) == (2, 3, False, 2)
    cells = analysis.results.cells
    expected = (cells["random", "docstrings"].scores - cells["topk", "docstrings"].scores[:, [0, 2]]).mean()
    assert row.versus.result.difference.mean == pytest.approx(expected)


def test_an_arm_without_numbers_stays_in_the_table_at_its_end(tmp_path: Path) -> None:
    failed = [("random", seed) for seed in (0, 1, 2)]
    (table,) = analyse(replace(SMALL, failed=failed).write(tmp_path)).tables

    assert table.rows[-1].arm == "random"
    assert (table.rows[-1].score, table.rows[-1].versus, table.rows[-1].seeds_done) == (None, None, 0)


def test_an_untrained_arm_with_one_seed_is_paired_with_every_seed(tmp_path: Path) -> None:
    arms = (QUICKSTART[0], *FEW)
    analysis = analyse(replace(SMALL, arms=arms, missing=[("untrained", 1), ("untrained", 2)]).write(tmp_path))

    row = analysis.tables[0].row("untrained")
    assert row is not None
    assert row.versus is not None
    assert row.versus.result.seeds == 3
    cells = analysis.results.cells
    expected = cells["untrained", "docstrings"].scores.mean() - cells["topk", "docstrings"].scores.mean()
    assert row.versus.result.difference.mean == pytest.approx(expected)


def test_one_seed_never_counts_as_beyond_noise(tmp_path: Path) -> None:
    arms = (Arm("topk", mined("topk"), 0.4), Arm("strong", mined("random"), 0.6))
    (table,) = analyse(replace(SMALL, arms=arms, seeds=(4,)).write(tmp_path)).tables

    assert table.rows[0].versus is not None
    assert table.rows[0].versus.verdict == "one seed"


def test_the_p_values_over_seeds_form_a_holm_family_of_their_own(analysis: Analysis) -> None:
    versus = [row.versus for row in analysis.tables[0].rows if row.versus is not None]

    p = [item.result.p_seeds for item in versus]
    assert None not in p
    assert [item.p_seeds_adjusted for item in versus] == pytest.approx(holm(p))
    for item in versus:
        assert item.verdict == verdict(item.result, item.p_adjusted, item.p_seeds_adjusted)
    assert {item.verdict for item in versus} == {"worse", "better", "noise", "seeds"}


def test_an_arm_with_one_seed_stays_in_the_family_over_seeds(tmp_path: Path) -> None:
    (table,) = analyse(replace(SMALL, missing=[("random", 0), ("random", 1)]).write(tmp_path)).tables

    versus = {row.arm: row.versus for row in table.rows if row.versus is not None}
    assert versus["random"].p_seeds_adjusted is None
    known = ["topk abs", "topk shifted 10"]
    expected = holm([*[versus[arm].result.p_seeds for arm in known], 1.0])[:2]
    assert [versus[arm].p_seeds_adjusted for arm in known] == expected
    assert expected != holm([versus[arm].result.p_seeds for arm in known])


def test_untrained_arms_need_no_second_seed(tmp_path: Path) -> None:
    arms = (Arm("weak", level=0.2, trained=False), Arm("topk", level=0.5, trained=False))
    (table,) = analyse(replace(SMALL, arms=arms, seeds=(4,)).write(tmp_path)).tables

    versus = {row.arm: row.versus for row in table.rows if row.versus is not None}
    assert versus["weak"].result.seeds == 1
    assert versus["weak"].verdict == "worse"


def test_without_a_baseline_there_are_no_differences(tmp_path: Path) -> None:
    analysis = analyse(replace(SMALL, baseline=None).write(tmp_path))

    assert analysis.results.baseline is None
    assert all(row.versus is None for row in analysis.tables[0].rows)
    assert analysis.best is not None
    assert analysis.best.difference is None


def test_several_datasets_are_averaged_with_equal_weight(tmp_path: Path) -> None:
    analysis = analyse(replace(SMALL, datasets=("a", "b", "c"), failed=[]).write(tmp_path))

    assert [table.dataset for table in analysis.tables] == ["a", "b", "c"]
    for row in analysis.overall:
        assert row.score is not None
        each = [item.score.mean for item in row.rows if item is not None and item.score is not None]
        assert row.score.mean == pytest.approx(np.mean(each))
    topk = next(row for row in analysis.overall if row.arm == "topk")
    random = next(row for row in analysis.overall if row.arm == "random")
    assert topk.difference is None
    assert random.difference is not None
    assert topk.score is not None
    assert random.score is not None
    assert random.difference.mean == pytest.approx(random.score.mean - topk.score.mean)


def test_of_a_search_only_the_point_chosen_on_dev_can_be_best(tmp_path: Path) -> None:
    points = [
        Arm(f"percpos #{n} (share={s})", mined("topk_percpos", share=s), 0.5 + s / 5)
        for n, s in enumerate((0.5, 0.7, 0.9))
    ]
    search = SearchSpec(arm="percpos", trials=4, space={"miner.share": RangeSpec(low=0.5, high=1.0)})
    analysis = analyse(replace(SMALL, arms=(*FEW, *points), search=search).write(tmp_path))

    dev = {p.name: analysis.results.cells[p.name, "docstrings"].mean_metric("dev", "ndcg_at_10") or 0.0 for p in points}
    assert analysis.chosen == max(dev, key=lambda name: dev[name])
    assert analysis.searched == tuple(point.name for point in points)
    assert set(analysis.contenders) & set(analysis.searched) == {analysis.chosen}
    barred = [row.arm for row in analysis.tables[0].rows if row.searched]
    assert set(barred) == set(analysis.searched) - {analysis.chosen}


def test_what_was_planned_of_a_searched_arm_is_said_of_the_point_chosen_on_dev(tmp_path: Path) -> None:
    points = [
        Arm(f"tuned #{n} (share={s})", mined("topk_percpos", share=s), 0.5 + s / 5) for n, s in enumerate((0.5, 0.9))
    ]
    search = SearchSpec(arm="tuned", trials=2, space={"miner.share": RangeSpec(low=0.5, high=1.0)})
    names = tuple(point.name for point in points)
    folder = replace(SMALL, arms=(*FEW, *points), search=search, unplanned=names).write(tmp_path)
    plan = read_plan(folder)
    tuned = Comparison(arm="tuned", baseline="topk", dataset="docstrings")
    write_text(
        folder / "plan.json", plan.model_copy(update={"comparisons": (*plan.comparisons, tuned)}).model_dump_json()
    )

    analysis = analyse(folder)

    planned = {row.arm: row.versus.planned for row in analysis.tables[0].rows if row.versus is not None}
    assert {name: planned[name] for name in names} == {name: name == analysis.chosen for name in names}


def test_the_untrained_base_is_no_way_of_choosing_negatives(analysis: Analysis) -> None:
    assert "untrained" not in analysis.contenders
    assert len(analysis.contenders) == 10
