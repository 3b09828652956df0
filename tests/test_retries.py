"""Runs that fail of what may pass are tried again within a sweep, a bounded number of times."""

from contextlib import ExitStack

import pytest
from search_folders import sweep

from harness.executors.base import WorkerDiedError
from harness.failures import may_pass
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

    def __init__(self, deaths, folder, *, failing=()):
        self.deaths, self.folder, self.failing = dict(deaths), folder, failing
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
                yield job, WorkerDiedError("killed", 2.0)
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


def carried_out(folder, retries, deaths, *, failing=()):
    spec = sweep(seeds=(0, 1))
    heard, shaky = Heard(), Shaky(deaths, folder, failing=failing)
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


def test_a_run_that_fails_for_a_reason_of_its_own_is_not_tried_again(tmp_path):
    failed, tried, ends, (first, _) = carried_out(tmp_path, 3, {}, failing=(0,))

    assert (failed, tried) == (1, [0, 1])
    assert (0, "failed", False) in ends
    assert first.failure is not None


def test_the_reason_of_the_last_attempt_decides(tmp_path):
    failed, tried, _, (first, _) = carried_out(tmp_path, 5, {0: 1}, failing=(0,))

    assert (failed, tried.count(0)) == (1, 2)
    assert first.earlier == (DIED,)


@pytest.mark.parametrize("kind", ["WorkerDiedError", "OSError", "OutOfMemoryError", "DeviceMemoryError", "MemoryError"])
def test_what_lies_outside_a_run_may_pass(kind):
    assert may_pass(kind)


@pytest.mark.parametrize(
    "kind", ["NumericError", "DataError", "ConfigError", "ModelError", "ValueError", "FileNotFoundError", ""]
)
def test_what_lies_in_a_run_stays(kind):
    assert not may_pass(kind)
