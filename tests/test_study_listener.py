"""A search whose study is kept beside it: in a file, on a server, and where that server goes away."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import optuna
import pytest
from postgres_server import PASSWORD, QUOTED, PostgresServer, why_not
from search_folders import Bench, share_of, sweep

from harness import study_mirroring
from harness.search.searching import Searching
from harness.spec import RunSpec, SweepSpec
from harness.study_file import Trial, read_study, study_of
from harness.study_listener import StudyListener
from harness.tracking.study import StudyWriter
from harness.tracking.study_storage import STORAGE_VARIABLE, StudyStorage

TRIALS = 6


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    if why := why_not():
        pytest.skip(why)
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


def carry_out(root: Path, spec: SweepSpec, storage: StudyStorage, score: Callable[[RunSpec], float] = share_of) -> str:
    """Carry a search out with its study, and return what is said of that in the end."""
    assert spec.search is not None
    listener = StudyListener(spec, spec.search, storage, root)
    bench = Bench(root / spec.name, score=score)
    try:
        Searching(spec, spec.search, bench.folder, bench._carry_out).carry_out(listener.tried)
        return listener.finish()
    finally:
        listener.leave()


def stored(folder: Path, spec: SweepSpec, storage: StudyStorage) -> list[optuna.trial.FrozenTrial]:
    assert spec.search is not None
    return optuna.load_study(study_name=study_of(spec, spec.search).name, storage=storage.open(folder)).trials


def points(folder: Path) -> list[tuple[str, ...]]:
    study = read_study(folder)
    assert study is not None
    return [trial.runs for trial in study.trials]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_study_is_kept_beside_the_results(tmp_path):
    spec, storage = sweep(seeds=(0,), trials=TRIALS), StudyStorage("local")

    said = carry_out(tmp_path, spec, storage)

    assert said == ""
    assert (tmp_path / "toy" / "study.log").read_text() == ""
    runs = [tuple(trial.user_attrs["winnow.runs"]) for trial in stored(tmp_path / "toy", spec, storage)]
    assert runs == points(tmp_path / "toy")
    assert len(runs) == TRIALS


def test_a_storage_that_cannot_be_had_costs_a_search_nothing_and_is_named_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.study_listener._AT_MOST", 4.0)
    (tmp_path / "file").touch()
    storage = StudyStorage(f"sqlite:///{tmp_path}/file/study.db?password=hunter2")

    said = carry_out(tmp_path, sweep(seeds=(0,), trials=2), storage)

    assert "is not wholly in the study storage sqlite:///" in said
    assert len(points(tmp_path / "toy")) == 2
    log = (tmp_path / "toy" / "study.log").read_text()
    assert log.count("cannot mirror yet") == 1
    assert "hunter2" not in said + log


def test_a_study_that_cannot_be_written_is_reported_once_and_costs_nothing(tmp_path, caplog):
    (tmp_path / "toy" / "study.json").mkdir(parents=True)

    said = carry_out(tmp_path, sweep(seeds=(0,), trials=3), StudyStorage("local"))

    assert said == ""
    assert [record.getMessage()[:41] for record in caplog.records] == ["the study storage is no longer written (c"]


class ToldProcess:
    """Stands in for the process beside a sweep; `made` lists those that were begun, `waits` how long each was given."""

    made: ClassVar[list["ToldProcess"]] = []

    def __init__(self, results: Path, storage: StudyStorage) -> None:
        self.waits: list[float] = []
        self.made.append(self)

    def end(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return True


@pytest.fixture
def begun(monkeypatch) -> list[ToldProcess]:
    monkeypatch.setattr("harness.study_listener.StudyProcess", ToldProcess)
    monkeypatch.setattr(ToldProcess, "made", [])
    return ToldProcess.made


def heard(root: Path) -> StudyListener:
    spec = sweep(seeds=(0,), trials=TRIALS)
    assert spec.search is not None
    return StudyListener(spec, spec.search, StudyStorage("local"), root)


def trial(number: int) -> Trial:
    return Trial(state="complete", params={}, distributions={}, values=(0.5,), runs=(str(number),))


def test_one_process_is_begun_for_a_search_and_one_that_is_heard_again_replaces_what_followed(tmp_path, begun):
    listener = heard(tmp_path)

    for number in (0, 1, 1):
        listener.tried(number, trial(number))

    assert len(begun) == 1
    assert points(tmp_path / "toy") == [("0",), ("1",)]


def test_a_finished_search_waits_long_and_once_and_hears_no_more(tmp_path, begun):
    listener = heard(tmp_path)
    listener.tried(0, trial(0))

    said = listener.finish()
    listener.leave()
    listener.tried(1, trial(1))

    assert said == ""
    assert [process.waits for process in begun] == [[40.0]]
    assert points(tmp_path / "toy") == [("0",)]


def test_a_search_that_is_left_waits_shortly(tmp_path, begun):
    listener = heard(tmp_path)
    listener.tried(0, trial(0))

    listener.leave()

    assert [process.waits for process in begun] == [[5.0]]


@pytest.mark.parametrize(("sent", "code"), [(True, 0), (False, 1)])
def test_the_process_beside_a_sweep_says_by_its_exit_code_whether_all_is_sent(tmp_path, monkeypatch, sent, code):
    monkeypatch.setenv(STORAGE_VARIABLE, "local")
    monkeypatch.setattr("harness.study_mirroring.follow", lambda writer, ends: sent)
    monkeypatch.setattr("harness.study_mirroring.os.nice", lambda niceness: niceness)
    monkeypatch.setattr("harness.study_mirroring.logging.basicConfig", lambda **settings: None)

    assert study_mirroring.main(tmp_path) == code


def test_a_search_that_goes_on_does_not_add_what_is_there(tmp_path):
    spec, storage = sweep(seeds=(0,), trials=TRIALS), StudyStorage("local")
    carry_out(tmp_path, sweep(seeds=(0,), trials=3), storage)

    carry_out(tmp_path, spec, storage)

    assert [trial.number for trial in stored(tmp_path / "toy", spec, storage)] == list(range(TRIALS))


def test_a_server_that_dies_in_the_middle_of_a_search_has_every_point_once_in_the_end(tmp_path, server):
    spec = sweep(seeds=(0,), trials=TRIALS)
    storage = StudyStorage(server.create("restarted"))
    folder, tried = tmp_path / "toy", []

    def score(run: RunSpec) -> float:
        tried.append(run)
        if len(tried) == 3:
            until(lambda: StudyStorage(storage.url).open(folder).get_all_studies() != [])
            until(lambda: len(stored(folder, spec, storage)) == 2)
            server.stop("immediate")
        if len(tried) == 5:
            until(lambda: "cannot mirror yet" in (folder / "study.log").read_text())
            server.start()
        return share_of(run)

    said = carry_out(tmp_path, spec, storage, score)

    found = stored(folder, spec, storage)
    log = (folder / "study.log").read_text()
    assert said == ""
    assert [tuple(trial.user_attrs["winnow.runs"]) for trial in found] == points(folder)
    assert [trial.number for trial in found] == list(range(TRIALS))
    assert log.count("cannot mirror yet") == 1
    assert PASSWORD not in log
    assert QUOTED not in log


def test_a_server_that_was_down_to_the_end_is_caught_up_later(tmp_path, server, monkeypatch):
    monkeypatch.setattr("harness.study_listener._AT_MOST", 4.0)
    spec, storage = sweep(seeds=(0,), trials=3), StudyStorage(server.create("later"))
    server.stop()

    said = carry_out(tmp_path, spec, storage)
    server.start()
    StudyWriter(tmp_path / "toy", storage).catch_up()

    assert f"study storage postgresql://127.0.0.1:{server.port}/later" in said
    assert len(stored(tmp_path / "toy", spec, storage)) == 3


def test_a_server_that_refuses_a_password_is_named_without_it(tmp_path, server):
    spec = sweep(seeds=(0,), trials=2)
    carry_out(tmp_path, spec, StudyStorage("local"))
    wrong = StudyStorage(server.url().replace(QUOTED, "hunter2"))

    with pytest.raises(Exception, match="password authentication failed") as said:
        StudyWriter(tmp_path / "toy", wrong).catch_up()

    assert "hunter2" not in str(said.value)
