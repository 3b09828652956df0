"""Runs in MLflow while they are carried out."""

from pathlib import Path

from test_mirror import at, mirror_all, stored
from toy_sweep import ARMS, failed, records, spec

from harness.spec import SweepPlan
from harness.tracking import Mirror
from harness.tracking.destination import Destination
from harness.tracking.entries import run_metrics


def test_a_run_is_seen_as_running_and_then_filled_in(root: Path, plan: SweepPlan) -> None:
    with Mirror(Destination(root)) as mirror:
        mirror.open_sweep(plan)
        mirror.begin_run(plan.runs[0], started=1000.0)
        mirror.begin_run(plan.runs[0], started=1001.0)  # tried again
        under_way = at(root, "run")["percpos 0.95, seed 0"]
        mirror.add_run(records(plan)[0], plan.runs[0], ended=1010.0)
        mirror.begin_run(plan.runs[1], started=1010.0)
        second = at(root, "run")["percpos 0.95, seed 1"]
        mirror.add_run(records(plan)[1], plan.runs[1])
        mirror.close_sweep()

    assert (under_way.info.status, under_way.data.metrics) == ("RUNNING", {})
    whole = at(root, "run")["percpos 0.95, seed 0"]
    assert (whole.info.run_id, whole.info.status) == (under_way.info.run_id, "FINISHED")
    assert (whole.info.start_time, whole.info.end_time) == (1_000_000, 1_010_000)
    assert run_metrics(records(plan)[0]).items() <= whole.data.metrics.items()
    assert whole.data.tags["winnow.status"] == "finished"
    arm_run = at(root, "arm")["percpos 0.95"].info.run_id
    assert [run.data.tags["mlflow.parentRunId"] for run in (whole, second)] == [arm_run, arm_run]
    assert len(stored(root)) == 4
    mirror_all(root, plan)
    assert at(root, "run")["percpos 0.95, seed 0"].info.run_id == whole.info.run_id


def test_a_run_under_way_when_its_sweep_ends_is_killed_and_filled_in_later(root: Path, plan: SweepPlan) -> None:
    with Mirror(Destination(root)) as mirror:
        mirror.open_sweep(plan)
        mirror.begin_run(plan.runs[0], started=1000.0)
    left = at(root, "run")["percpos 0.95, seed 0"].info
    assert left.status == "KILLED"

    with Mirror(Destination(root)) as mirror:
        mirror.open_sweep(plan)
        mirror.begin_run(plan.runs[0], started=2000.0)
        assert at(root, "run")["percpos 0.95, seed 0"].info.status == "RUNNING"
    mirror_all(root, plan)

    assert at(root, "run")["percpos 0.95, seed 0"].info.run_id == left.run_id
    assert {run.info.status for run in stored(root)} == {"FINISHED"}


def test_a_failure_that_is_tried_again_gives_way_at_once(root: Path, plan: SweepPlan) -> None:
    with Mirror(Destination(root)) as mirror:
        mirror.open_sweep(plan)
        mirror.add_run(failed(spec(ARMS[0], 0)), plan.runs[0])
        mirror.begin_run(plan.runs[0], started=1000.0)

        run = at(root, "run")["percpos 0.95, seed 0"]

    assert run.info.status == "RUNNING"
    assert "winnow.error" not in run.data.tags
