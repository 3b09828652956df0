"""A cluster of two nodes on this machine, one of which is taken away while it works."""

import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import ConfigError, DataError, WinnowError
from harness.executors.base import TimeLimitError, WorkerDiedError
from harness.executors.place import Limits, Place
from harness.executors.ray_cluster import RayExecutor
from harness.teachers.base import Workspace, silent

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@dataclass(frozen=True)
class Task:
    what: str
    folder: Path
    threads: int = 1

    def __call__(self, work: Workspace) -> object:
        import os

        if self.what == "node":
            return ray.get_runtime_context().get_node_id()
        if self.what == "data":
            raise DataError("no data")
        if self.what == "bug":
            return 1 / 0
        if self.what == "sleep":
            time.sleep(600)
        if self.what == "wait":
            begun = sum(1 for _ in self.folder.glob("begun-*"))
            (self.folder / f"begun-{begun}").write_text(ray.get_runtime_context().get_node_id())
            while begun == 0:
                time.sleep(0.1)
        return self.what, os.environ["PYTHONHASHSEED"], work.store.root, Path.cwd()


@pytest.fixture
def cluster(monkeypatch):
    from ray import cloudpickle
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    cloudpickle.register_pickle_by_value(sys.modules[Task.__module__])
    node = {"object_store_memory": 80 << 20}
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **node})
    yield started, node
    started.shutdown()


def executor(cluster, tmp_path, **place: object) -> RayExecutor:
    (tmp_path / "store").mkdir(exist_ok=True)
    return RayExecutor(2, tmp_path / "store", Place("ray", address=cluster.address, **place))


def test_jobs_come_back_and_one_whose_node_is_taken_away_is_done_on_another(cluster, tmp_path):
    nodes, node = cluster
    both = [nodes.add_node(num_cpus=1, **node) for _ in range(2)]
    quick = [Task("a", tmp_path), Task("data", tmp_path), Task("bug", tmp_path), Task("b", tmp_path, threads=64)]
    waiting = Task("wait", tmp_path)

    def take_away() -> None:
        while not (tmp_path / "begun-0").exists() or not (tmp_path / "begun-0").read_text():
            time.sleep(0.1)
        at_work = (tmp_path / "begun-0").read_text()
        nodes.remove_node(next(each for each in both if each.node_id == at_work), allow_graceful=False)

    with executor(nodes, tmp_path, retries=2) as started:
        answers = dict(started.carry_out(quick, silent))
        thread = threading.Thread(target=take_away)
        thread.start()
        tried_again = dict(started.carry_out([waiting], silent))
        thread.join()

    assert answers[quick[0]] == ("a", "0", tmp_path / "store", Path.cwd())
    assert answers[quick[3]][0] == "b"
    assert (type(answers[quick[1]]), str(answers[quick[1]])) == (DataError, "no data")
    assert (type(answers[quick[2]]), str(answers[quick[2]])) == (WinnowError, "ZeroDivisionError: division by zero")
    assert tried_again[waiting][0] == "wait"
    assert sorted(path.name for path in tmp_path.glob("begun-*")) == ["begun-0", "begun-1"]


def test_without_retries_a_job_whose_node_is_taken_away_is_told_as_lost(cluster, tmp_path):
    nodes, node = cluster
    doomed = nodes.add_node(num_cpus=1, **node)
    waiting = Task("wait", tmp_path)

    def take_away() -> None:
        while not (tmp_path / "begun-0").exists():
            time.sleep(0.1)
        nodes.remove_node(doomed, allow_graceful=False)

    with executor(nodes, tmp_path, retries=0) as started:
        thread = threading.Thread(target=take_away)
        thread.start()
        outcome = dict(started.carry_out([waiting], silent))[waiting]
        thread.join()

    assert isinstance(outcome, WorkerDiedError)
    assert "the Ray worker was lost" in str(outcome)
    assert outcome.seconds > 0
    assert not (tmp_path / "begun-1").exists()


def test_a_job_past_its_time_is_ended_and_the_next_one_runs(cluster, tmp_path):
    nodes, node = cluster
    nodes.add_node(num_cpus=1, **node)
    jobs = [Task("sleep", tmp_path), Task("a", tmp_path)]

    with executor(nodes, tmp_path, limits=Limits(seconds=15)) as started:
        started._workers = 1
        outcomes = dict(started.carry_out(jobs, silent))

    assert isinstance(outcomes[jobs[0]], TimeLimitError)
    assert outcomes[jobs[1]][0] == "a"


def test_runs_go_to_the_nodes_that_have_what_they_take_and_ask_for_no_more_cores_than_those_have(cluster, tmp_path):
    nodes, node = cluster
    nodes.add_node(num_cpus=4, **node)
    fitting = nodes.add_node(num_cpus=1, resources={"big_disk": 2}, **node)
    jobs = [Task("node", tmp_path / str(number), threads=4) for number in range(4)]

    with executor(nodes, tmp_path, resources=(("big_disk", 1.0),)) as started:
        answers = dict(started.carry_out(jobs, silent))

    assert set(answers.values()) == {fitting.node_id}


def test_what_no_single_node_has_is_refused_with_what_there_is(cluster, tmp_path):
    nodes, node = cluster
    nodes.add_node(num_cpus=1, resources={"big_disk": 1, "fast": 5}, **node)
    nodes.add_node(num_cpus=1, resources={"licence": 3}, **node)
    wanted = (("big_disk", 1.0), ("licence", 1.0))

    with pytest.raises(ConfigError) as raised, executor(nodes, tmp_path, resources=wanted):
        pass

    assert str(raised.value) == (
        "--resources-per-run big_disk=1, licence=1: no node of the Ray cluster has that;"
        " its nodes have big_disk=1, fast=5; licence=3"
    )
    assert not ray.is_initialized()


def test_a_memory_limit_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="--limit-memory"), RayExecutor(1, tmp_path, Place("ray", Limits(memory=1))):
        pass


@pytest.mark.parametrize("gpus", [0.5, 1.0, 3.0])
def test_a_run_of_two_processes_is_given_two_gpus_or_none(tmp_path, gpus):
    place = Place("ray", gpus_per_run=gpus, processes=2)

    with pytest.raises(ConfigError, match="needs --gpus-per-run 2, or 0"), RayExecutor(1, tmp_path, place):
        pass
