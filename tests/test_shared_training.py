import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from harness import pipeline
from harness.jobs import RunJob
from harness.leases import Lease
from harness.pairs import mine
from harness.pipeline import attempt
from harness.record import EvaluatedSplit, RunRecord, read_record
from harness.shared_training import TRAININGS, Sharing, Source
from harness.sources.kept import load_collection
from harness.spec import ArmSpec, Component, MiningSpec, RunSpec, TrainingSpec
from harness.store import Store
from harness.sums import SUMS, differing
from harness.teachers.base import Workspace

DATASET = Component(name="synthetic", params={"queries": 40, "documents": 240})
BM25 = Component(name="bm25")
TRAINING = TrainingSpec(epochs=1, batch_size=8)
OWN, OTHER, KEY = "a" * 16, "b" * 16, "c" * 64


def spec(miner: str = "topk", shortage: str = "keep", training: TrainingSpec = TRAINING, **changes: object) -> RunSpec:
    chosen = MiningSpec(teacher=BM25, miner=Component(name=miner, params={"k": 2}), depth=20, on_shortage=shortage)
    arm = ArmSpec(name="arm", base=Component(name="static"), max_length=32, mining=chosen, training=training)
    return RunSpec(arm=arm, dataset=DATASET, seed=0, identities={}).model_copy(update=changes)


TWIN = spec(shortage="backfill_deeper")
"""No row is short, so that the policy chooses nothing: the negatives are those of `spec()`."""


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Workspace:
    return Workspace(Store(tmp_path_factory.mktemp("store")))


@pytest.fixture
def trainings(monkeypatch) -> list[None]:
    """As many entries as trainings were carried out."""
    train, made = pipeline.train_within_memory, []
    monkeypatch.setattr(
        pipeline, "train_within_memory", lambda *given, **named: made.append(None) or train(*given, **named)
    )
    return made


def contents(runs: Path, record: RunRecord) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (runs / record.fingerprint).glob("*.parquet")}


def test_two_arms_with_the_same_negatives_train_once_and_have_what_each_has_alone(work, tmp_path, trainings):
    alone, runs = tmp_path / "alone" / "runs", tmp_path / "together" / "runs"
    expected = attempt(TWIN, work, alone)
    trainings.clear()

    first, second = (attempt(each, work, runs) for each in (spec(), TWIN))

    assert len(trainings) == 1
    assert contents(runs, second) == contents(alone, expected)
    assert (first.shared_with, second.shared_with) == ("", first.fingerprint)
    assert second.fingerprint == expected.fingerprint != first.fingerprint
    apart = {"timings", "shared_with"}
    assert second.model_dump(exclude=apart) == expected.model_dump(exclude=apart)
    assert list(second.timings) == ["load", "mine"]
    assert read_record(runs / second.fingerprint) == second
    assert "shared_with" not in (runs / first.fingerprint / "record.json").read_text()


def test_what_an_arm_mined_stays_its_own_also_where_its_training_is_another_s(work, tmp_path):
    random = spec("random")
    naive = attempt(spec(), work, tmp_path / "runs")
    with pytest.MonkeyPatch.context() as patch:  # as if chance had drawn the same
        own = mine(random, load_collection(DATASET, work.store), work)
        drawn = mine(spec(), load_collection(DATASET, work.store), work)
        patch.setattr(pipeline, "mine", lambda *_: replace(own, negative=drawn.negative))
        record = attempt(random, work, tmp_path / "runs")

    assert record.shared_with == naive.fingerprint
    assert (record.audit, record.yields, record.negatives_hash) == (own.audit, own.yields, own.negatives_hash)
    assert record.audit != naive.audit
    assert (
        contents(tmp_path / "runs", record)["negatives.parquet"]
        != (contents(tmp_path / "runs", naive)["negatives.parquet"])
    )


def test_an_untrained_arm_shares_nothing(work, tmp_path):
    arm = ArmSpec(name="base", base=Component(name="static"), max_length=32)

    records = [attempt(spec(arm=arm, seed=seed), work, tmp_path / "runs") for seed in (0, 1)]

    assert [record.shared_with for record in records] == ["", ""]
    assert not (tmp_path / TRAININGS).exists()


def flip(path: Path) -> None:
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


def cut_last_line(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


@pytest.fixture(scope="module")
def finished(work, tmp_path_factory) -> Path:
    runs = tmp_path_factory.mktemp("finished") / "runs"
    attempt(spec(), work, runs)
    return runs


def copied(runs: Path, to: Path) -> tuple[Path, str]:
    """Copy a sweep of one run; return where its runs are now, and the digest of its training."""
    shutil.copytree(runs.parent, to)
    training = next(path.name for path in (to / TRAININGS).iterdir() if not path.suffix)
    return to / "runs", training


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("record.json", flip),
        ("per_query.parquet", flip),
        ("rankings.parquet", flip),
        ("trace.parquet", flip),
        ("rankings.parquet", Path.unlink),
        (SUMS, flip),
        (SUMS, cut_last_line),
        (SUMS, Path.unlink),
    ],
)
def test_nothing_is_taken_from_a_damaged_run(finished, tmp_path, name, harm):
    runs, training = copied(finished, tmp_path / "sweep")
    source = runs / spec().fingerprint
    with Sharing(runs, OWN) as sharing:
        assert sharing.source(training).record.fingerprint == spec().fingerprint

    harm(source / name)

    with Sharing(runs, OWN) as sharing:
        assert sharing.source(training) is None
    assert (runs.parent / TRAININGS / training).read_text() == f"{OWN}\n"


@pytest.mark.parametrize("text", [b"", b"\xff", f"../runs/{spec().fingerprint}".encode(), b"a" * 16])
def test_a_training_whose_run_is_not_there_or_named_as_a_path_is_carried_out(finished, tmp_path, text):
    runs, training = copied(finished, tmp_path / "sweep")
    (runs.parent / TRAININGS / training).write_bytes(text)

    with Sharing(runs, OTHER) as sharing:
        assert sharing.source(training) is None


def test_an_entry_is_left_to_the_run_that_trained_and_never_lent_to_that_run_itself(finished, tmp_path):
    runs, training = copied(finished, tmp_path / "sweep")
    with Sharing(runs, OWN) as sharing:
        assert sharing.source(training) is not None
    assert (runs.parent / TRAININGS / training).read_text() == f"{spec().fingerprint}\n"

    with Sharing(runs, spec().fingerprint) as sharing:
        assert sharing.source(training) is None


def test_a_training_is_locked_to_the_end_of_the_context_and_no_longer(tmp_path):
    lock = FileLock(tmp_path / TRAININGS / f"{KEY}.lock")
    with Sharing(tmp_path / "runs", OWN) as sharing:
        sharing.source(KEY)
        with pytest.raises(Timeout):
            lock.acquire(timeout=0)

    with lock.acquire(timeout=0):
        assert lock.is_locked
    assert sharing._lock is not None  # so it was let go, not forgotten


def test_all_that_came_of_a_training_is_lent_and_what_a_run_did_itself_is_kept(finished):
    source = read_record(finished / spec().fingerprint)
    whole = source.model_copy(update={"evaluated": {"dev": EvaluatedSplit(collection="c", digest="d")}})
    mined = RunRecord(status="finished", fingerprint=OWN, spec=TWIN, timings={"mine": 1.5})

    lent = Source(whole, {}).lend(mined)

    assert (lent.timings, lent.fingerprint, lent.spec) == ({"mine": 1.5}, OWN, TWIN)
    assert (lent.evaluated, lent.metrics, lent.losses) == (whole.evaluated, source.metrics, source.losses)
    assert lent.shared_with == source.fingerprint


def test_a_run_that_failed_lends_nothing_and_the_next_one_trains(work, tmp_path, trainings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "train_within_memory", lambda *_, **__: 1 / 0)
        failed = attempt(spec(), work, tmp_path / "runs")

    second, first = attempt(TWIN, work, tmp_path / "runs"), attempt(spec(), work, tmp_path / "runs")

    assert failed.status == "failed"
    assert len(trainings) == 1
    assert (second.shared_with, first.shared_with) == ("", second.fingerprint)
    assert [each.kind for each in first.earlier] == ["ZeroDivisionError"]


def test_a_run_stays_whole_when_the_one_that_trained_is_deleted_and_that_one_trains_again(
    finished, work, tmp_path, trainings
):
    runs, _ = copied(finished, tmp_path / "sweep")
    second = attempt(TWIN, work, runs)
    before = contents(runs, second)
    shutil.rmtree(runs / spec().fingerprint)

    again = attempt(spec(), work, runs)

    assert differing(runs / second.fingerprint) == []
    assert read_record(runs / second.fingerprint) == second == attempt(TWIN, work, runs)
    assert contents(runs, second) == before
    assert (again.shared_with, len(trainings)) == ("", 1)
    assert again.losses == second.losses


HOLDING = """
import sys, time
from pathlib import Path
from harness.shared_training import Sharing

with Sharing(Path(sys.argv[1]), sys.argv[2]) as sharing:
    print(sharing.source(sys.argv[3]), flush=True)
    time.sleep(600)
"""


def found(runs: Path, training: str) -> object:
    with Sharing(runs, OTHER) as sharing:
        return sharing.source(training)


def test_a_worker_waits_for_the_one_that_trains_and_trains_itself_if_that_one_is_killed(tmp_path):
    command = [sys.executable, "-c", HOLDING, str(tmp_path / "runs"), OWN, KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first, ThreadPoolExecutor(1) as pool:
        assert first.stdout.readline() == "None\n"
        second = pool.submit(found, tmp_path / "runs", KEY)
        time.sleep(0.6)
        waited = not second.done()
        entry = (tmp_path / TRAININGS / KEY).read_text()
        os.kill(first.pid, signal.SIGKILL)

        assert second.result(timeout=20) is None
    assert waited
    assert entry == f"{OWN}\n"
    assert (tmp_path / TRAININGS / KEY).read_text() == f"{OTHER}\n"


def test_a_waiting_run_gives_signs_of_life_and_takes_what_the_first_one_leaves(work, tmp_path, monkeypatch, trainings):
    beating, train = Lease.beating, pipeline.train_within_memory
    monkeypatch.setattr(Lease, "beating", lambda self: beating(self, 0.02))
    job, pulses = RunJob(TWIN, tmp_path / "runs"), set()

    with ThreadPoolExecutor(1) as pool:
        waiting = []

        def while_another_waits(*given, **named):
            waiting.append(pool.submit(job, work))
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and len(pulses) < 5:
                pulses.add(job.pulse())
            return train(*given, **named)

        monkeypatch.setattr(pipeline, "train_within_memory", while_another_waits)
        first = attempt(spec(), work, tmp_path / "runs")
        ended = waiting[0].result(timeout=60)

    assert len(pulses) == 5
    assert ended.status == "finished"
    assert len(waiting) == len(trainings) == 1
    assert read_record(tmp_path / "runs" / TWIN.fingerprint).shared_with == first.fingerprint
