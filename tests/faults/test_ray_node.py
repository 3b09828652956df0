"""A node of a Ray cluster is taken away while a sweep trains on it: the sweep goes on where there is another."""

import json

import pytest
from traps import STAGES, stopped, trap

from sweeps import ROOT, left, start

pytest.importorskip("ray")
pytestmark = [pytest.mark.fault_sweep, pytest.mark.filterwarnings("default")]

NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")  # nodes, and so their workers, inherit it
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80 << 20}
    started = Cluster(initialize_head=True, head_node_args=head)
    yield started
    started.shutdown()


def numbers(kept: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out the list of installed packages: Ray's workers see those that Ray brings along, too."""
    return {name: content for name, content in kept.items() if not name.endswith(".lock")}


@pytest.mark.parametrize("retries", [0, 1])
@pytest.mark.timeout(600)
def test_a_sweep_that_loses_a_node_tries_the_run_again_or_records_it_and_finishes_it_next_time(
    undisturbed, cluster, tmp_path, retries
):
    mark = trap(tmp_path, STAGES["while training"], "stop")
    doomed = cluster.add_node(**NODE)
    arguments = ("--executor", "ray", "--address", cluster.address, "--retries", str(retries))
    running = start(tmp_path, *arguments)
    stopped(mark)

    cluster.add_node(**NODE)
    cluster.remove_node(doomed, allow_graceful=False)
    first = running.wait(400)
    records = [json.loads(path.read_text()) for path in tmp_path.glob("results/toy/runs/*/record.json")]
    lost = [record for record in records if record["status"] == "failed" or record.get("earlier")]
    second = start(tmp_path, *arguments).wait(400)

    assert (first, second) == (0 if retries else 11, 0), (tmp_path / "output").read_text()
    assert [record["status"] for record in lost] == ["finished" if retries else "failed"]
    kinds = {(record["failure"] or record["earlier"][0])["kind"] for record in lost}
    assert kinds == {"WorkerDiedError"}
    assert numbers(left(tmp_path)) == numbers(undisturbed)
