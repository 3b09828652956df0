import logging
import time
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

import pytest
from test_study import shares, study, told

from harness import mirrors
from harness.cli import _parser
from harness.commands.track import _study_text, storage_of
from harness.errors import ConfigError, StorageError
from harness.study_file import write_study
from harness.sweep import Listener
from harness.tracking.study_storage import STORAGE_VARIABLE, StudyStorage


@pytest.mark.parametrize(
    "url",
    ["results", "http://me:hunter2@host/db", "postgresql://me:hunter2@host", "sqlite://", "postgresql://[::1/db"],
)
def test_what_is_no_address_of_a_database_is_refused_without_being_repeated(url):
    with pytest.raises(ConfigError, match="must be 'local', sqlite:///FILE, postgresql://") as told_so:
        StudyStorage(url)

    assert "hunter2" not in str(told_so.value)


def test_a_driver_that_is_missing_is_named():
    with pytest.raises(ConfigError, match=r"mysql\+cymysql://host/db needs the package cymysql") as told_so:
        StudyStorage("mysql+cymysql://me:hunter2@host/db")

    assert "hunter2" not in str(told_so.value)


def test_a_dialect_that_is_unknown_is_refused_without_its_password():
    with pytest.raises(
        ConfigError, match=r"cannot be read as the address of a database \(postgresql\+nothing\)"
    ) as said:
        StudyStorage("postgresql+nothing://me:hunter2@host/db")

    assert "hunter2" not in str(said.value)


def test_messages_show_a_storage_without_user_password_and_query(tmp_path):
    storage = StudyStorage(f"sqlite:///{tmp_path}/study.db?passphrase=hunter2")

    assert storage.name == f"sqlite:///{tmp_path}/study.db"
    assert "hunter2" not in repr(storage)


def test_the_variable_names_a_storage_and_the_option_overrules_it(monkeypatch):
    monkeypatch.setenv(STORAGE_VARIABLE, "local")
    by_variable = _parser().parse_args(["sweep", "file.yaml"])
    by_option = _parser().parse_args(["sweep", "file.yaml", "--study-storage", "sqlite:///a.db"])
    monkeypatch.delenv(STORAGE_VARIABLE)
    by_nothing = _parser().parse_args(["sweep", "file.yaml"])

    storages = [storage_of(each) for each in (by_variable, by_option, by_nothing)]

    assert storages == [StudyStorage("local"), StudyStorage("sqlite:///a.db"), None]


def test_track_copies_the_search_and_says_so(tmp_path):
    write_study(tmp_path, study(told(0.6)))

    said = _study_text(tmp_path, StudyStorage("local"))

    assert said == f"the search of {tmp_path} is in study.db\n"
    assert shares(tmp_path) == [0.6]


def test_track_says_that_a_sweep_has_no_search(tmp_path):
    assert "has no study.json" in _study_text(tmp_path, StudyStorage("local"))
    assert list(tmp_path.iterdir()) == []


def test_track_names_a_storage_that_cannot_be_written_without_its_password(tmp_path: Path):
    write_study(tmp_path, study(told(0.6)))
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match=r"cannot copy the search to sqlite:///.*OperationalError") as said:
        _study_text(tmp_path, StudyStorage(f"sqlite:///{tmp_path}/file/study.db?uri=true&password=hunter2"))

    assert "hunter2" not in str(said.value)


def test_two_do_not_copy_the_same_search(tmp_path):
    from filelock import FileLock

    from harness.tracking.study import LOCK

    write_study(tmp_path, study(told(0.6)))

    with FileLock(tmp_path / LOCK), pytest.raises(StorageError, match="another process is copying the search"):
        _study_text(tmp_path, StudyStorage("local"))


def test_a_locked_file_does_not_hold_a_caller_for_ever(tmp_path, monkeypatch):
    import sqlite3

    import harness.tracking.study_storage as module

    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    write_study(tmp_path, study(told(0.6)))
    StudyStorage("local").open(tmp_path)
    monkeypatch.setattr("optuna.storages._rdb.storage.time.sleep", lambda _: None)

    with sqlite3.connect(tmp_path / "study.db") as other:
        other.execute("BEGIN EXCLUSIVE")
        start = time.monotonic()
        with pytest.raises(StorageError, match=r"database is locked|StorageInternalError"):
            _study_text(tmp_path, StudyStorage("local"))
        waited = time.monotonic() - start
    other.close()
    _study_text(tmp_path, StudyStorage("local"))

    assert waited < 4.0  # SQLite itself would wait 5 s, five times
    assert shares(tmp_path) == [0.6]


def test_mirrors_are_those_that_the_options_ask_for(tmp_path, caplog):
    from search_folders import sweep

    asked = Namespace(results=tmp_path, tracking_uri="", track=False, study_storage="local")
    without_search = sweep().model_copy(update={"search": None})
    with caplog.at_level(logging.WARNING):
        counts = [
            len(mirrors.Mirrors(Namespace(**{**vars(asked), **changed}), spec)._listeners)
            for changed, spec in [
                ({}, sweep()),
                ({"track": True}, sweep()),
                ({"study_storage": ""}, sweep()),
                ({}, without_search),
            ]
        ]

    assert counts == [1, 2, 0, 0]
    assert caplog.records == []


class Mirror(Listener):
    """Stands in for a mirror: says its name at the end, and notes what is done to it."""

    def __init__(self, name: str, noted: list[object]) -> None:
        self._name, self._noted = name, noted

    def finish(self, *given: object) -> str:
        self._noted.append((self._name, *given))
        return f"{self._name} lacks something"

    def leave(self) -> None:
        self._noted.append(f"{self._name} left")


def test_every_mirror_is_finished_and_left_whatever_happens(tmp_path, monkeypatch):
    from search_folders import sweep

    noted = []
    monkeypatch.setattr(mirrors, "Bystander", lambda destination: Mirror("mlflow", noted))
    monkeypatch.setattr(mirrors, "StudyListener", lambda *given: Mirror("study", noted))
    options = Namespace(results=tmp_path, tracking_uri="", track=True, study_storage="local")

    with suppress(KeyboardInterrupt), mirrors.Mirrors(options, sweep()) as both:
        said = both.finish("an answer", (tmp_path,))
        raise KeyboardInterrupt

    assert said == ["mlflow lacks something", "study lacks something"]
    assert sorted(noted[:2]) == [("mlflow", "an answer", (tmp_path,)), ("study",)]
    assert noted[2:] == ["mlflow left", "study left"]
