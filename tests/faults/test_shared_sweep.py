"""Whole sweeps that two machines share on object storage: one goes on where the other vanished, to the same files."""

import pytest
from inline import Inline, kept, sweep_file
from shaky_storage import ShakyStorage, fresh

import harness.sweep
from harness.config import load_sweep
from harness.jobs import RunJob
from harness.remote.owner import Owning
from harness.store import Store
from harness.sweep import Listener, Settings, carry_out
from harness.teachers.base import Workspace


class Machine:
    """Carries the small sweep out in a folder of its own; counts the runs and artefacts that it made."""

    def __init__(self, folder, place, monkeypatch):
        self.folder, self.place, self._monkeypatch = folder, place, monkeypatch
        self.runs = self.built = 0
        self.vanishes_before = None

    def carry_out(self):
        machine = self

        class Counting(Inline):
            def __init__(self, workers, store, logs, **place):
                self._work = Workspace(CountingStore(store, place["remote"]))

            def carry_out(self, jobs, progress, begun=None):
                for job in jobs:
                    if isinstance(job, RunJob):
                        if machine.runs == machine.vanishes_before:
                            raise KeyboardInterrupt
                        machine.runs += 1
                    yield from super().carry_out([job], progress)

        class CountingStore(Store):
            def fetch(self, kind, key, build):
                def counted(folder):
                    machine.built += 1
                    build(folder)

                return super().fetch(kind, key, counted)

        self._monkeypatch.setattr(harness.sweep, "LocalExecutor", Counting)
        results = self.folder / "results"
        settings = Settings(results, results / ".store", 1, remote=self.place)
        return carry_out(load_sweep(sweep_file(self.folder, seeds=1)), settings, Listener())


@pytest.fixture
def place(monkeypatch):
    return fresh(monkeypatch)


@pytest.fixture
def one(place, tmp_path, monkeypatch):
    return Machine(tmp_path / "one", place, monkeypatch)


@pytest.fixture
def two(place, tmp_path, monkeypatch):
    return Machine(tmp_path / "two", place, monkeypatch)


def everything(machine):
    """Return what `kept` returns, and the records, which a second machine must not have made anew."""
    records = machine.folder.glob("results/toy/runs/*/*")
    return {**kept(machine.folder), **{path.name + path.parent.name: path.read_bytes() for path in records}}


def test_the_second_machine_carries_out_and_computes_nothing(one, two):
    first, second = one.carry_out(), two.carry_out()

    assert (one.runs > 3, one.built > 1) == (True, True)
    assert (two.runs, two.built) == (0, 0)
    assert everything(two) == everything(one)
    assert (first.unsent, second.unsent, second.failed) == (0, 0, 0)


def test_a_machine_vanishes_and_another_goes_on_to_the_same_files(place, one, two, tmp_path, monkeypatch):
    after = 2
    alone = Machine(tmp_path / "alone", None, monkeypatch)
    alone.carry_out()
    one.vanishes_before = after
    with monkeypatch.context() as vanished:
        vanished.setattr(Owning, "release", lambda self: None)
        with pytest.raises(KeyboardInterrupt):
            one.carry_out()

    outcome = two.carry_out()

    assert "results/toy/owner.json" not in ShakyStorage.files()
    assert (two.runs, outcome.failed, outcome.unsent) == (alone.runs - after, 0, 0)
    assert kept(two.folder) == kept(alone.folder)


def test_with_every_other_call_for_a_file_failing_all_is_put(one, two):
    def refuse(operation, path):
        if ShakyStorage.calls.count((operation, path)) % 2 == 1:
            raise OSError("reset")

    ShakyStorage.set_refusal(refuse)
    first, second = one.carry_out(), two.carry_out()

    assert (first.unsent, second.unsent) == (0, 0)
    assert (two.runs, two.built) == (0, 0)
    assert everything(two) == everything(one)


def test_a_place_that_takes_nothing_leaves_a_whole_sweep_here_and_the_next_call_puts_it(one, two):
    def refuse(operation, path):
        if operation == "write":
            raise PermissionError("403")

    ShakyStorage.set_refusal(refuse)
    first = one.carry_out()
    ShakyStorage.set_refusal()
    made = one.runs, one.built
    again, second = one.carry_out(), two.carry_out()

    assert (first.failed, first.unsent > 0) == (0, True)
    assert (again.unsent, second.unsent) == (0, 0)
    assert (one.runs, one.built) == made
    assert (two.runs, two.built) == (0, 0)
    assert everything(two) == everything(one)
