"""Runs that two processes train each: the second is killed within a step, or the coordinator meanwhile."""

import json
import os
import signal
from pathlib import Path

import psutil
import pytest
from traps import PEERS, stopped, trap

from sweeps import left, start

pytestmark = pytest.mark.fault_sweep

TOGETHER = ("--processes-per-run", "2")
IN_A_STEP = "harness.training.share:Share.backward"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("together")
    assert start(folder, *TOGETHER).wait(280) == 0, (folder / "output").read_text()
    return left(folder)


def with_folder(folder: Path) -> list[psutil.Process]:
    """Return the processes that find their modules in the sweep's folder first: all that it has started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PYTHONPATH", "").startswith(str(folder)) and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.timeout(600)
def test_a_run_whose_second_process_is_killed_in_a_step_is_tried_again_and_nothing_tells(undisturbed, tmp_path):
    mark = trap(tmp_path, IN_A_STEP, "worker", PEERS)

    code = start(tmp_path, *TOGETHER).wait(280)

    assert mark.exists()
    assert code == 0, (tmp_path / "output").read_text()
    assert left(tmp_path) == undisturbed
    records = [json.loads(path.read_text()) for path in tmp_path.glob("results/toy/runs/*/record.json")]
    assert {each["processes"] for each in records if each["spec"]["arm"]["training"]} == {2}
    # what was tried again within the sweep's own patience leaves its first end in the ledger
    ledger = [json.loads(line) for line in (tmp_path / "results/toy/ledger.jsonl").read_text().splitlines()]
    assert [line["status"] for line in ledger].count("failed") == 1
    assert with_folder(tmp_path) == []


@pytest.mark.timeout(600)
def test_no_process_outlives_a_coordinator_that_is_killed_and_its_command_goes_on(undisturbed, tmp_path):
    mark = trap(tmp_path, IN_A_STEP, "stop", PEERS)
    coordinator = start(tmp_path, *TOGETHER)
    second = stopped(mark)
    at_work = with_folder(tmp_path)

    coordinator.kill()

    assert coordinator.wait(20) == -signal.SIGKILL
    assert second in {process.pid for process in at_work}
    _, alive = psutil.wait_procs(at_work, timeout=10)
    assert alive == []
    assert start(tmp_path, *TOGETHER).wait(280) == 0, (tmp_path / "output").read_text()
    assert left(tmp_path) == undisturbed
