import signal
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType
from real_server import Server
from test_writer import fill
from toy_sweep import records

from harness.spec import SweepPlan
from harness.tracking import Destination
from harness.tracking.entries import run_metrics
from harness.tracking.process import unsent
from harness.tracking.writer import Writer


@pytest.mark.slow
def test_a_server_that_is_down_then_dies_then_hangs_ends_up_with_every_run_once(
    tmp_path: Path, plan: SweepPlan, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    server = Server(tmp_path)
    destination = Destination(tmp_path, server.address)
    fill(results, plan)
    writer = Writer(results, destination)

    def fails() -> None:
        with pytest.raises(Exception, match=r"(?i)api request|timed out|connection"):
            writer.catch_up()

    fails()  # down at start
    try:
        server.start()
        server.send(signal.SIGSTOP)
        fails()  # hanging: accepts, and never answers
        server.send(signal.SIGCONT)
        server.send(signal.SIGKILL)
        fails()  # dead
        server.start()
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
        writer.catch_up()

        client = MlflowClient(server.address)
        experiment = client.get_experiment_by_name("toy-sweep")
        assert experiment is not None
        found = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ACTIVE_ONLY)
        runs = {run.info.run_name: run for run in found}
        assert len(found) == len(runs) == 7
        assert {run.info.status for run in found} == {"FINISHED"}
        for planned, one in zip(plan.runs, records(plan), strict=True):
            run = runs[f"{planned.arm}, seed {planned.seed}"]
            assert run.data.tags["winnow.fingerprint"] == one.fingerprint
            assert run_metrics(one).items() <= run.data.metrics.items()
            assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["record.json"]
        sweep = runs["toy-sweep (sweep)"].info.run_id
        assert [file.path for file in client.list_artifacts(sweep, "report")] == ["report/table.md"]
        assert unsent(results, destination) == ""
    finally:
        server.send(signal.SIGKILL)
