from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import QUICKSTART, Arm, Sweep, mined

from harness.errors import DataError
from harness.reporting.report import write_report
from harness.reporting.results import Results, read_results
from harness.reporting.tables import analyse
from harness.reporting.together import together
from harness.spec import Component, RangeSpec, SearchSpec

FIRST = Sweep(arms=QUICKSTART[1:4], test=30, dev=10, name="first", question="Which?")
SECOND = replace(FIRST, arms=(QUICKSTART[3], QUICKSTART[8]), name="second", question="What else?")


def _both(tmp_path: Path, one: Sweep, other: Sweep) -> Results:
    return together([read_results(one.write(tmp_path / "one")), read_results(other.write(tmp_path / "other"))])


def test_one_sweep_stays_what_it_is(tmp_path: Path) -> None:
    alone = read_results(FIRST.write(tmp_path))

    assert together([alone]) is alone


def test_equal_arms_meet_and_others_stand_beside_them(tmp_path: Path) -> None:
    whole = _both(tmp_path, FIRST, SECOND)

    assert [arm.name for arm in whole.plan.arms] == ["in-batch", "random", "topk", "topk percpos 0.80"]
    assert whole.datasets == ("docstrings",)
    assert whole.plan.name == "first+second"
    assert whole.plan.question == "Which? / What else?"
    assert [(item.arm, item.baseline) for item in whole.plan.comparisons] == [
        ("in-batch", "topk"),
        ("random", "topk"),
        ("topk percpos 0.80", "topk"),
    ]
    assert whole.remarks == ()


def test_seeds_of_one_arm_are_put_together_and_counted_once(tmp_path: Path) -> None:
    later = replace(FIRST, seeds=(2, 3, 4), name="later")

    cell = _both(tmp_path, FIRST, later).cells["topk", "docstrings"]

    assert cell.seeds == (0, 1, 2, 3, 4)
    assert (cell.planned, cell.scores.shape) == (5, (30, 5))
    last = read_results(tmp_path / "other").cells["topk", "docstrings"]
    np.testing.assert_array_equal(cell.scores[:, 3:], last.scores[:, 1:])


def test_different_arms_of_one_name_are_told_apart_by_their_sweep(tmp_path: Path) -> None:
    other = replace(SECOND, arms=(QUICKSTART[3], Arm("random", mined("random", k=8), 0.4)))

    whole = _both(tmp_path, FIRST, other)

    assert [arm.name for arm in whole.plan.arms] == ["in-batch", "random", "topk", "random (second)"]
    assert whole.cells["random (second)", "docstrings"].arm.mining.miner.params["k"] == 8


def test_equal_arms_of_two_names_have_the_first(tmp_path: Path) -> None:
    renamed = replace(SECOND, arms=(replace(QUICKSTART[3], name="naive"), QUICKSTART[8]), baseline="naive")

    whole = _both(tmp_path, FIRST, renamed)

    assert {arm for arm, _ in whole.cells} == {"in-batch", "random", "topk", "topk percpos 0.80"}
    assert {item.baseline for item in whole.plan.comparisons} == {"topk"}


def test_a_run_that_failed_in_one_sweep_and_finished_in_the_other_is_no_incident(tmp_path: Path) -> None:
    whole = _both(tmp_path, replace(FIRST, failed=[("topk", 1), ("random", 0)]), SECOND)

    assert [(item.arm, item.seed) for item in whole.incidents] == [("random", 0)]
    assert sorted(whole.cells["topk", "docstrings"].seeds) == [0, 1, 2]


def test_another_baseline_is_left_to_its_own_report_and_said(tmp_path: Path) -> None:
    whole = _both(tmp_path, FIRST, replace(SECOND, baseline="topk percpos 0.80"))

    assert {item.baseline for item in whole.plan.comparisons} == {"topk"}
    assert whole.remarks == (
        "The comparisons that second planned have another baseline, topk percpos 0.80: see its own report.",
    )
    versus = {row.arm: row.versus for row in analyse([tmp_path / "one", tmp_path / "other"]).tables[0].rows}
    assert versus["random"].planned
    assert not versus["topk percpos 0.80"].planned


def test_two_searches_are_refused(tmp_path: Path) -> None:
    search = SearchSpec(arm="topk", trials=2, space={"miner.k": RangeSpec()})

    with pytest.raises(DataError, match=r"at most one of the sweeps .* may have a search, got first, second"):
        _both(tmp_path, replace(FIRST, search=search), replace(SECOND, search=search))


def test_different_metrics_are_refused(tmp_path: Path) -> None:
    folder = SECOND.write(tmp_path / "other")
    plan = folder / "plan.json"
    plan.write_text(plan.read_text().replace('"metric": "ndcg_at_10"', '"metric": "mrr_at_10"'))

    with pytest.raises(DataError, match="first by ndcg_at_10, second by mrr_at_10"):
        analyse([FIRST.write(tmp_path / "one"), folder])


def test_one_dataset_with_other_queries_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="different test queries of docstrings"):
        _both(tmp_path, FIRST, replace(SECOND, test=29))


def test_different_datasets_make_a_report_of_two(tmp_path: Path) -> None:
    other = replace(SECOND, datasets=("other",))

    paths = write_report([FIRST.write(tmp_path / "one"), other.write(tmp_path / "other")], tmp_path / "out")

    assert paths.pdf == tmp_path / "out" / "first+second" / "report.pdf"
    assert "other: 30 test queries" in paths.terminal
    assert "docstrings: 30 test queries" in paths.terminal


def test_different_further_sets_are_left_to_their_own_reports(tmp_path: Path) -> None:
    sets = [Component(name="beir_folder", params={"path": "data/scifact"})]

    whole = _both(tmp_path, FIRST, replace(SECOND, evaluate=sets))

    assert whole.plan.evaluate == ()
    assert whole.remarks == ("The sweeps were evaluated on different further sets, which their own reports show.",)
