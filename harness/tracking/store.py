"""The only door to MLflow: a SQLite store with its artefact folder, or a server, in few and batched calls."""

import json
import logging
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from filelock import FileLock
from pydantic import JsonValue

from harness.tracking.destination import ARTEFACTS, DATABASE, Destination

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["ARMS_VIEW", "Batch", "DatasetUsed", "Status", "Store", "StoredRun"]

ARMS_VIEW = "winnow-arms"

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]

_PAGE = 1000
_METRICS = 800
_VALUES = 90
"""What goes into one batch: MLflow takes 1000 entities, of them 100 params and 100 tags."""
_DIGEST = 36
_DEFAULT_EXPERIMENT = "0"
_PROCESS_TAG = "winnow.process"


@dataclass(frozen=True)
class Batch:
    """What is written of a run in one go; `history` holds (step, value) pairs."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    history: Mapping[str, Iterable[tuple[int, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredRun:
    """A run as the store has it."""

    id: str
    experiment: str
    status: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class DatasetUsed:
    """The dataset of a run: MLflow keeps 36 characters of the digest, so the whole one belongs into a tag."""

    name: str
    digest: str


class Store:
    """The MLflow store of a destination; a local one is created when absent.

    In a local store experiments get the artefact location `mlflow-artifacts:/<name>`,
    which the server resolves below the folder that it is started with, and the files
    are put there directly. So nothing absolute is stored, and the folder may be moved.
    On a server its own location is used, and files go through it.
    """

    def __init__(self, destination: Destination) -> None:
        # Read when mlflow is first imported: no calls home, no migration chatter on the terminal.
        destination.prepare()
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._is_remote = bool(destination.uri)
        self._artefacts = destination.root.resolve() / ARTEFACTS
        self._locations: dict[str, str] = {}
        self._client = MlflowClient(destination.address) if self._is_remote else _local_client(destination.root)

    def experiment(self, name: str) -> str:
        """Return the id of the experiment called `name`, created or restored if need be."""
        from mlflow.entities import LifecycleStage

        found = self._client.get_experiment_by_name(name)
        if found is None:
            # The kind chooses which pages the dashboard offers: training runs, not chat traces.
            tags = {"mlflow.experimentKind": "custom_model_development"}
            location = None if self._is_remote else f"mlflow-artifacts:/{name}"
            return str(self._client.create_experiment(name, artifact_location=location, tags=tags))
        if found.lifecycle_stage == LifecycleStage.DELETED:
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def describe(self, experiment: str, note: str, view: Mapping[str, JsonValue]) -> None:
        """Set the Markdown above an experiment's runs and the saved view of its arms.

        The view is the tag in which the dashboard keeps a view that a person saved under
        a name; a release that no longer knows it offers none, and nothing else changes.
        """
        saved = {"name": "Arms, best first", "createdAt": 0, "updatedAt": 0, "state": json.dumps(view)}
        self._client.set_experiment_tag(experiment, "mlflow.note.content", note)
        self._client.set_experiment_tag(experiment, f"mlflow.sharedViewState.{ARMS_VIEW}", json.dumps(saved))

    def end_abandoned(self, experiment: str) -> None:
        """End as KILLED what dead processes left: all of this experiment, and of others what ran on this machine."""
        for run in self.runs("attributes.status = 'RUNNING'"):
            if run.experiment == experiment or _died_here(run.tags.get(_PROCESS_TAG, "")):
                self.end(run.id, "KILLED", at=time.time())

    def runs(self, condition: str, experiments: Iterable[str] | None = None) -> Iterator[StoredRun]:
        """Yield the runs that meet `condition`, page by page; in every experiment if none is named."""
        within = list(experiments or (found.experiment_id for found in self._client.search_experiments()))
        token: str | None = None
        while within:
            page = self._client.search_runs(within, condition, max_results=_PAGE, page_token=token)
            for run in page:
                self._locations[run.info.run_id] = run.info.artifact_uri
                yield StoredRun(run.info.run_id, run.info.experiment_id, run.info.status, run.data.tags)
            token = page.token
            if not token:
                return

    def create(self, experiment: str, name: str, tags: Mapping[str, str], *, started: float) -> str:
        """Begin a run at `started` (seconds since 1970) and return its id."""
        own = {"mlflow.source.name": "winnow", _PROCESS_TAG: _process()}
        run = self._client.create_run(experiment, int(started * 1000), {**tags, **own}, name)
        self._locations[run.info.run_id] = run.info.artifact_uri
        return str(run.info.run_id)

    def log(self, run: str, batch: Batch, *, at: float) -> None:
        """Write a batch to a run, its metrics as of `at`; of equal steps the latest moment counts."""
        from mlflow.entities import Metric, Param, RunTag

        moment = int(at * 1000)
        metrics = [Metric(name, value, moment, 0) for name, value in batch.metrics.items()]
        for name, points in batch.history.items():
            metrics += [Metric(name, value, moment, step) for step, value in points]
        params = [Param(name, value) for name, value in batch.params.items()]
        tags = [RunTag(name, value) for name, value in batch.tags.items()]
        while metrics or params or tags:
            self._client.log_batch(run, metrics=metrics[:_METRICS], params=params[:_VALUES], tags=tags[:_VALUES])
            metrics, params, tags = metrics[_METRICS:], params[_VALUES:], tags[_VALUES:]

    def use_dataset(self, run: str, dataset: DatasetUsed) -> None:
        """Name the dataset of a run where the dashboard looks for it."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        used = Dataset(dataset.name, dataset.digest[:_DIGEST], "winnow", json.dumps({"digest": dataset.digest}))
        self._client.log_inputs(run, [DatasetInput(used, [InputTag("mlflow.data.context", "training")])])

    def resume(self, run: str) -> None:
        """Mark a run as running again, by this process."""
        self._client.set_tag(run, _PROCESS_TAG, _process())
        self._client.update_run(run, status="RUNNING")

    def end(self, run: str, status: Status, *, at: float) -> None:
        """Mark a run as ended."""
        self._client.set_terminated(run, status, int(at * 1000))

    def delete(self, run: StoredRun) -> None:
        """Take a run out of sight, with its artefacts."""
        self._client.delete_run(run.id)
        if not self._is_remote:
            shutil.rmtree(self._folder(run.id).parent, ignore_errors=True)  # <run>/artifacts

    def write(self, run: str, path: str, content: bytes) -> None:
        """Keep `content` as the artefact `path` (relative, with `/`) of a run."""
        if self._is_remote:
            folder, _, name = path.rpartition("/")
            with tempfile.TemporaryDirectory() as draft:
                file = Path(draft) / name
                file.write_bytes(content)
                self._client.log_artifact(run, str(file), folder or None)
            return
        target = self._folder(run) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def _folder(self, run: str) -> Path:
        if run not in self._locations:
            self._locations[run] = str(self._client.get_run(run).info.artifact_uri)
        return self._artefacts / self._locations[run].removeprefix("mlflow-artifacts:/")


def _local_client(root: Path) -> "MlflowClient":
    """Return the client of the store under `root`, whose tables are made by one process alone."""
    from mlflow import MlflowClient

    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f".{DATABASE}.lock"):
        fresh = not (root / DATABASE).exists()
        client = MlflowClient(f"sqlite:///{root.resolve() / DATABASE}")
        if fresh:
            client.delete_experiment(_DEFAULT_EXPERIMENT)  # empty, and in the way of the sweeps
    return client


def _process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _died_here(process: str) -> bool:
    """Tell whether a process, named by `_process`, ran on this machine and is gone."""
    host, _, pid = process.rpartition(":")
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # alive, and somebody else's
        return False
    return False
