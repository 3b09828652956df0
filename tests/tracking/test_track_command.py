from argparse import Namespace
from pathlib import Path

import pytest
from filelock import FileLock
from test_mirror import stored
from test_writer import fill

from harness.cli import main
from harness.commands.track import track_text
from harness.errors import StorageError
from harness.spec import SweepPlan
from harness.tracking.writer import LOCK


def asked(root: Path, results: Path, uri: str = "") -> Namespace:
    return Namespace(
        folder=results, results=root, reports=root / "reports", rebuild=False, tracking_uri=uri, study_storage=""
    )


def test_what_the_outbox_still_holds_is_sent(root: Path, plan: SweepPlan, results: Path) -> None:
    fill(results, plan)

    told = track_text(asked(root, results))

    assert told == f"everything in the outbox of {results} is in {root / 'mlflow.db'}"
    assert len(stored(root)) == 7


def test_a_sweep_without_an_end_is_killed_by_who_finishes_its_outbox(
    root: Path, plan: SweepPlan, results: Path
) -> None:
    fill(results, plan, ending=False)

    track_text(asked(root, results))

    assert {run.info.status for run in stored(root) if run.data.tags["winnow.level"] == "sweep"} == {"KILLED"}


def test_a_server_that_is_down_is_named_without_its_password(
    root: Path, plan: SweepPlan, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")
    fill(results, plan)

    with pytest.raises(StorageError, match=r"cannot mirror to http://127.0.0.1:9: ") as told:
        track_text(asked(root, results, "http://me:hunter2@127.0.0.1:9"))

    assert "hunter2" not in str(told.value)


def test_two_do_not_mirror_the_same_results(root: Path, plan: SweepPlan, results: Path) -> None:
    fill(results, plan)

    with FileLock(results / LOCK), pytest.raises(StorageError, match=r"another process is mirroring"):
        track_text(asked(root, results))


def test_a_folder_that_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["track", str(tmp_path / "nothing"), "--rebuild"])

    assert code == StorageError.exit_code
    assert f"{tmp_path / 'nothing'} is missing" in capsys.readouterr().err
