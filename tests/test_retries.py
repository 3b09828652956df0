"""Runs that fail of what may pass are tried again within a sweep, a bounded number of times."""

import json
from contextlib import ExitStack

import pytest
from search_folders import sweep

from harness.executors.base import WorkerDiedError
from harness.failures import may_pass
from harness.leases import LeaseLostError
from harness.plan import expand
from harness.record import Attempt, Failure, RunRecord, failed_before, read_record, write_record
from harness.sweep import Listener, Settings, _UnderWay


class Heard(Listener):
    def __init__(self):
        self.starts = []
        self.ends = []

    def started(self, run):
        self.starts.append(run.seed)

    def ended(self, run, record, *, before):
        self.ends.append((run.seed, record.status, before))


class Shaky:
    """An executor whose runs die as often as `deaths` says, by seed, and then fail or finish."""

    def __init__(self, deaths, folder, *, failing=(), of=WorkerDiedError("killed", 2.0)):  # noqa: B008  never changed
        self.deaths, self.folder, self.failing, self.of = dict(deaths), folder, failing, of
        self.tried = []

    def carry_out(self, jobs, progress, begun=None):
        for job in jobs:
            if not hasattr(job, "spec"):
                yield job, None
                continue
            seed = job.spec.seed
            self.tried.append(seed)
            begun(job)
            if self.deaths.get(seed, 0) > 0:
                self.deaths[seed] -= 1
                yield job, self.of
                continue
            runs = self.folder / "runs"
            record = RunRecord(
                status="failed" if seed in self.failing else "finished",
                fingerprint=job.spec.fingerprint,
                spec=job.spec,
                timings={"train": 1.0},
                failure=Failure(kind="NumericError", message="nan") if seed in self.failing else None,
                earlier=failed_before(runs, job.spec.fingerprint),
            )
            write_record(runs, record, None)
            yield job, record


def carried_out(folder, retries, deaths, **shakes):
    spec = sweep(seeds=(0, 1))
    heard, shaky = Heard(), Shaky(deaths, folder, **shakes)
    under_way = _UnderWay(spec, folder, Settings(folder, folder / "store", 1, retries=retries), heard, ExitStack())
    under_way._executor = shaky
    under_way._prepare = lambda executor, specs: None
    runs = expand(spec.arms, spec)
    failed = under_way.run(runs)
    assert heard.starts == shaky.tried  # each attempt is told of, and nothing else
    return failed, shaky.tried, heard.ends, [read_record(folder / "runs" / run.fingerprint) for run, _ in runs]


DIED = Attempt(kind="WorkerDiedError", message="killed", seconds=2.0)


@pytest.mark.parametrize(
    ("retries", "deaths", "status", "tries"),
    [(0, 1, "failed", 1), (1, 1, "finished", 2), (1, 2, "failed", 2), (3, 2, "finished", 3), (2, 0, "finished", 1)],
)
def test_a_run_whose_worker_died_is_tried_again_as_often_as_is_said(tmp_path, retries, deaths, status, tries):
    failed, tried, ends, (first, other) = carried_out(tmp_path, retries, {0: deaths})

    assert tried.count(0) == tries
    assert tried.count(1) == 1
    assert (first.status, other.status) == (status, "finished")
    assert failed == (status == "failed")
    assert sorted(ends) == [(0, status, False), (1, "finished", False)]
    assert first.earlier == (DIED,) * (tries - 1)


@pytest.mark.parametrize(("retries", "status", "tries"), [(0, "failed", 1), (1, "finished", 2)])
def test_a_run_whose_lease_was_lost_is_tried_again_or_recorded_and_the_sweep_goes_on(tmp_path, retries, status, tries):
    failed, tried, ends, (first, other) = carried_out(tmp_path, retries, {0: 1}, of=LeaseLostError("another has it"))

    assert tried.count(0) == tries
    assert (first.status, other.status, failed) == (status, "finished", status == "failed")
    assert sorted(ends) == [(0, status, False), (1, "finished", False)]
    last = first.failure or first.earlier[-1]
    assert (last.kind, last.message) == ("LeaseLostError", "another has it")


@pytest.mark.parametrize("lost", [LeaseLostError("another has it"), WorkerDiedError("killed", 2.0)])
def test_a_run_that_finished_before_it_was_told_as_lost_stays_finished(tmp_path, monkeypatch, lost):
    def carry_out(self, jobs, progress, begun=None):
        for job in jobs:
            record = RunRecord(status="finished", fingerprint=job.spec.fingerprint, spec=job.spec)
            write_record(self.folder / "runs", record, None)
            yield job, lost

    monkeypatch.setattr(Shaky, "carry_out", carry_out)

    failed, _, ends, records = carried_out(tmp_path, 1, {})

    assert (failed, [end[1] for end in ends]) == (0, ["finished", "finished"])
    assert [record.status for record in records] == ["finished", "finished"]
    entries = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert [(entry["status"], entry["attempt"], entry["token"]) for entry in entries] == [("finished", 1, 0)] * 2
    assert not list((tmp_path / ".leases").glob("*.json"))


def test_a_run_that_fails_for_a_reason_of_its_own_is_not_tried_again(tmp_path):
    failed, tried, ends, (first, _) = carried_out(tmp_path, 3, {}, failing=(0,))

    assert (failed, tried) == (1, [0, 1])
    assert (0, "failed", False) in ends
    assert first.failure is not None


def test_the_reason_of_the_last_attempt_decides(tmp_path):
    failed, tried, _, (first, _) = carried_out(tmp_path, 5, {0: 1}, failing=(0,))

    assert (failed, tried.count(0)) == (1, 2)
    assert first.earlier == (DIED,)


@pytest.mark.parametrize(
    "kind", ["WorkerDiedError", "OSError", "OutOfMemoryError", "DeviceMemoryError", "LeaseLostError"]
)
def test_what_lies_outside_a_run_may_pass(kind):
    assert may_pass(kind)


@pytest.mark.parametrize(
    "kind", ["NumericError", "DataError", "ConfigError", "ModelError", "ValueError", "FileNotFoundError", ""]
)
def test_what_lies_in_a_run_stays(kind):
    assert not may_pass(kind)
