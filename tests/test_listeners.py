import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "tracking"))

from toy_sweep import failed, plan_of, records

from harness import listeners
from harness.listeners import Bystander
from harness.tracking import Destination
from harness.tracking.outbox import NAME, entries_after

PLAN = plan_of()


class Sender:
    """Stands in for the process that sends."""

    waited: list[float]

    def __init__(self, results: Path, destination: Destination) -> None:
        Sender.waited = []

    def end(self, seconds: float) -> None:
        Sender.waited.append(seconds)


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(listeners, "MirrorProcess", Sender)
    (tmp_path / PLAN.name).mkdir()


def kinds(root: Path) -> list[tuple[str, str]]:
    return [(entry.kind, entry.run) for entry, _ in entries_after(root / PLAN.name, 0)]


def test_what_a_sweep_does_is_in_the_outbox_at_once(tmp_path: Path) -> None:
    bystander = Bystander(Destination(tmp_path))
    first, second = records(PLAN)[:2]

    bystander.planned(PLAN, 4)
    bystander.ended(PLAN.runs[0], first, before=True)
    bystander.started(PLAN.runs[1])
    bystander.ended(PLAN.runs[1], failed(second.spec), before=False)

    second_run = [(kind, second.fingerprint) for kind in ("started", "failed")]
    runs = [("finished", first.fingerprint), *second_run]
    assert kinds(tmp_path) == [("planned", ""), *runs]
    assert Sender.waited == []
    bystander.leave()
    assert kinds(tmp_path)[-1] == ("interrupted", "")
    assert Sender.waited == [5.0]


def test_a_finished_sweep_says_what_is_not_sent(tmp_path: Path) -> None:
    bystander = Bystander(Destination(tmp_path))
    bystander.planned(PLAN, 4)

    told = bystander.finish("Yes.", ())
    bystander.leave()

    assert kinds(tmp_path) == [("planned", ""), ("reported", "")]
    assert told.startswith(f"MLflow: 2 entries of {tmp_path / PLAN.name} are not mirrored")
    assert Sender.waited == [120.0]


def test_an_outbox_that_cannot_be_written_is_told_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / PLAN.name / NAME).mkdir()
    bystander = Bystander(Destination(tmp_path))

    bystander.planned(PLAN, 4)
    for planned, record in zip(PLAN.runs, records(PLAN), strict=True):
        bystander.ended(planned, record, before=False)

    assert bystander.finish("Yes.", ()) == ""
    assert len(caplog.records) == 1
    assert "--rebuild" in caplog.text


def test_a_disk_that_fills_up_midway_is_told_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bystander = Bystander(Destination(tmp_path))
    bystander.planned(PLAN, 4)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for planned, record in zip(PLAN.runs, records(PLAN), strict=True):
        bystander.ended(planned, record, before=False)

    assert len(caplog.records) == 1
    assert "the disk is full" in caplog.text
    assert Sender.waited == [0.0]
