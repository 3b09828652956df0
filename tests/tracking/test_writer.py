import logging
import os
import shutil
import time
from pathlib import Path

import pytest
from flaky_server import Behaviour, flaky_server
from test_mirror import at, stored
from toy_sweep import failed, records

from harness.record import write_record
from harness.spec import SweepPlan
from harness.tracking import Destination, Mirror, rebuild
from harness.tracking.destination import DATABASE
from harness.tracking.entries import run_metrics
from harness.tracking.outbox import NAME, Outbox, read_position
from harness.tracking.process import MirrorProcess, unsent
from harness.tracking.store import Store
from harness.tracking.writer import Writer, follow


def fill(results: Path, plan: SweepPlan, *, ending: bool = True) -> None:
    with Outbox(results) as outbox:
        outbox.append("planned")
        for run in plan.runs:
            outbox.append("finished", run=run.fingerprint)
        if ending:
            report = results.parent / "table.md"
            report.write_text("| arm |")
            outbox.append("reported", answer="Percpos wins.", files=(report,))


def content(root: Path) -> dict[str, tuple[object, ...]]:
    """Return what a person sees of each run, under its name."""
    return {
        str(run.info.run_name): (run.data.metrics, run.data.params, run.info.status, run.data.tags.get("winnow.record"))
        for run in stored(root)
    }


def test_an_outbox_makes_the_mirror_that_the_results_make(root: Path, plan: SweepPlan, results: Path) -> None:
    fill(results, plan)

    Writer(results, Destination(root)).catch_up()
    from_outbox = content(root)
    rebuild(Destination(root), results)

    assert len(from_outbox) == 7
    assert content(root) == from_outbox
    for planned, one in zip(plan.runs, records(plan), strict=True):
        metrics = at(root, "run")[f"{planned.arm}, seed {planned.seed}"].data.metrics
        assert run_metrics(one).items() <= metrics.items()


def test_what_has_been_sent_is_remembered_and_not_sent_again(
    root: Path, plan: SweepPlan, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(results, plan)
    Writer(results, Destination(root)).catch_up()
    monkeypatch.setattr(Mirror, "open_sweep", lambda *_: pytest.fail("asked the store"))

    again = Writer(results, Destination(root))
    again.catch_up()

    assert again.sent == 0
    assert read_position(results, DATABASE) == (results / NAME).stat().st_size
    assert unsent(results, Destination(root)) == ""


def test_a_store_that_is_gone_is_written_again(tmp_path: Path, root: Path, plan: SweepPlan, results: Path) -> None:
    fill(results, plan)
    Writer(results, Destination(root)).catch_up()
    elsewhere = tmp_path / "elsewhere"

    Writer(results, Destination(elsewhere)).catch_up()

    assert content(elsewhere) == content(root)


def test_a_run_that_fails_and_then_finishes_appears_once(root: Path, plan: SweepPlan, results: Path) -> None:
    first = records(plan)[0]
    runs = results / "runs"
    (runs / first.fingerprint).rename(results / "aside")
    write_record(runs, failed(first.spec), None)
    with Outbox(results) as outbox:
        outbox.append("planned")
        outbox.append("failed", run=first.fingerprint)
    writer = Writer(results, Destination(root))
    writer.catch_up()
    assert [run.info.status for run in at(root, "run").values()] == ["FAILED"]

    write_record(runs, first, None)
    with Outbox(results) as outbox:
        outbox.append("finished", run=first.fingerprint)
    writer.catch_up()

    assert [run.info.status for run in at(root, "run").values()] == ["FINISHED"]
    assert len([run for run in stored(root) if run.data.tags["winnow.level"] == "run"]) == 1


def test_only_what_the_latest_call_of_the_sweep_began_is_under_way(root: Path, plan: SweepPlan, results: Path) -> None:
    first, second, third, _ = (run.fingerprint for run in plan.runs)
    for never_ended in (second, third):
        shutil.rmtree(results / "runs" / never_ended)
    with Outbox(results) as outbox:
        outbox.append("planned")
        outbox.append("started", run=second)  # and the sweep was killed
        outbox.append("planned")
        outbox.append("started", run=first)
        outbox.append("started", run=third)
        outbox.append("finished", run=first)

    writer = Writer(results, Destination(root))
    writer.catch_up()

    statuses = {name: run.info.status for name, run in at(root, "run").items()}
    assert statuses == {"percpos 0.95, seed 0": "FINISHED", "untrained, seed 0": "RUNNING"}
    writer.end()
    assert at(root, "run")["untrained, seed 0"].info.status == "KILLED"


@pytest.mark.parametrize("broken", range(6))
def test_an_error_at_any_call_leaves_nothing_out_and_nothing_double(
    root: Path, plan: SweepPlan, results: Path, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    fill(results, plan)
    calls = iter(range(10_000))
    create = Store.create

    def once_broken(self: Store, *args: object, **kwargs: object) -> str:
        made = create(self, *args, **kwargs)
        if next(calls) == broken:
            message = "the answer got lost"
            raise ConnectionError(message)
        return made

    monkeypatch.setattr(Store, "create", once_broken)
    writer = Writer(results, Destination(root))

    with pytest.raises(ConnectionError):
        writer.catch_up()
    writer.catch_up()

    names = [run.info.run_name for run in stored(root)]
    assert sorted(names) == sorted(content(root))
    assert len(names) == 7
    assert {run.info.status for run in stored(root)} == {"FINISHED"}


def test_a_sweep_that_ended_without_a_word_is_killed(root: Path, plan: SweepPlan, results: Path) -> None:
    fill(results, plan, ending=False)

    done = follow(Writer(results, Destination(root)), lambda _: True)

    assert done
    assert at(root, "sweep")["toy-sweep (sweep)"].info.status == "KILLED"
    assert {run.info.status for run in at(root, "run").values()} == {"FINISHED"}


def test_an_interrupted_sweep_is_killed_and_finished_later(root: Path, plan: SweepPlan, results: Path) -> None:
    fill(results, plan, ending=False)
    with Outbox(results) as outbox:
        outbox.append("interrupted")
    Writer(results, Destination(root)).catch_up()
    assert at(root, "sweep")["toy-sweep (sweep)"].info.status == "KILLED"

    fill(results, plan)
    Writer(results, Destination(root)).catch_up()

    assert {run.info.status for run in stored(root)} == {"FINISHED"}


def test_following_tries_again_and_says_so_once(
    root: Path, plan: SweepPlan, results: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fill(results, plan)
    pauses: list[float] = []
    write = Store.write

    def refuse(*_: object) -> None:
        message = "down: http://me:hunter2@host/"
        raise ConnectionError(message)

    def waited(seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 3:
            monkeypatch.setattr(Store, "write", write)
        return len(pauses) > 3

    monkeypatch.setattr(Store, "write", refuse)

    with caplog.at_level(logging.INFO, "harness"):
        done = follow(Writer(results, Destination(root)), waited)

    assert done
    assert pauses == [1.0, 2.0, 4.0, 0.5]
    assert len(caplog.records) == 1
    assert "ConnectionError: down" in caplog.text
    assert "hunter2" not in caplog.text
    assert len(stored(root)) == 7


@pytest.mark.parametrize("behaviour", ["hang", "500"])
def test_a_server_that_does_not_serve_is_given_up_in_time_and_named(
    root: Path, plan: SweepPlan, results: Path, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    fill(results, plan)
    with flaky_server(behaviour) as (address, asked):
        destination = Destination(root, address)
        started = time.monotonic()

        done = follow(Writer(results, destination), lambda _: True, patience=0.5)

        assert time.monotonic() - started < 8
        assert not done
        assert asked
    told = unsent(results, destination)
    assert told.startswith(f"MLflow: 6 entries of {results} are not mirrored to {address} yet")
    assert f"`winnow track {results} --tracking-uri {address}`" in told


def test_the_process_ends_with_its_input_and_has_sent_everything(root: Path, plan: SweepPlan, results: Path) -> None:
    fill(results, plan)

    process = MirrorProcess(results, Destination(root))
    process.end(60.0)

    assert process._process.returncode == 0, (results / "mirror.log").read_text()
    assert unsent(results, Destination(root)) == ""

    assert len(stored(root)) == 7


def test_a_process_that_cannot_reach_its_server_is_ended_in_time_without_a_trace_of_the_password(
    root: Path, plan: SweepPlan, results: Path
) -> None:
    fill(results, plan)
    with flaky_server("hang") as (address, asked):
        del asked
        destination = Destination(root, address.replace("://", "://me:hunter2@"))
        process = MirrorProcess(results, destination)
        command = Path(f"/proc/{process._process.pid}/cmdline")
        arguments = command.read_bytes() if command.exists() else b""
        started = time.monotonic()

        process.end(3.0)

    assert time.monotonic() - started < 10
    assert process._process.returncode == -9
    assert b"hunter2" not in arguments
    assert "hunter2" not in (results / "mirror.log").read_text() + unsent(results, destination) + repr(destination)
    assert "hunter2" not in "".join(path.read_text() for path in results.glob("outbox.*"))
    with pytest.raises(ProcessLookupError):
        os.kill(process._process.pid, 0)
