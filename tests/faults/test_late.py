"""A worker that comes too late, and clocks that jump: neither changes what a sweep leaves."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_tracked import assert_every_run_is_there_once, local
from traps import STAGES, stopped, trap

from sweeps import SWEEP, environment, left, sitecustomize, start

pytestmark = pytest.mark.fault_sweep

LATE = """
from pathlib import Path
from harness.config import load_sweep
from harness.jobs import RunJob
from harness.plan import make_plan
from harness.store import Store
from harness.teachers.base import Workspace

spec = next(spec for spec in make_plan(load_sweep(Path("toy.yaml"))).specs if spec.arm.training)
print(spec.fingerprint, flush=True)
RunJob(spec, Path("results/toy/runs"), checkpoint_minutes=0.0)(Workspace(Store(Path("results/.store"))))
"""
"""A worker of its own, that no coordinator will end."""

JUMPING = """
import random, time

_true, _monotonic, _began = time.time, time.monotonic, time.monotonic()
_JUMPS = (0, 86_400, -86_400, 3_600, -3_600, 40_000_000, 1)


def jumping():
    # each process by another row of jumps, a new one every 0.7 s
    return _true() + _JUMPS[int((_monotonic() - _began) / 0.7) % len(_JUMPS)]


time.time = jumping
time.time_ns = lambda: int(jumping() * 1e9)
"""


def ledger(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "results/toy/ledger.jsonl").read_text().splitlines()]


def test_a_worker_stopped_for_longer_than_its_lease_comes_too_late_and_changes_nothing(undisturbed, tmp_path):
    (tmp_path / "toy.yaml").write_text(SWEEP)
    mark = trap(tmp_path, STAGES["while training"], "stop")
    command = [sys.executable, "-c", LATE, "multiprocessing.spawn"]  # which the trap takes for a worker
    late = subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    worker = stopped(mark)

    code = start(tmp_path).wait(240)
    before = left(tmp_path), ledger(tmp_path)
    os.kill(worker, signal.SIGCONT)
    printed, told = late.communicate(timeout=120)

    assert code == 0, (tmp_path / "output").read_text()
    assert late.returncode == 1
    assert "LeaseLostError" in told
    assert (left(tmp_path), ledger(tmp_path)) == before
    assert before[0] == undisturbed
    assert {line["fingerprint"]: line["token"] for line in before[1] if line["token"] != 1} == {printed.strip(): 2}
    assert {line["attempt"] for line in before[1]} == {1}


def test_clocks_that_jump_by_hours_and_days_change_nothing_and_end_no_run(undisturbed, tmp_path):
    sitecustomize(tmp_path, JUMPING)

    code = start(tmp_path, "--limit-seconds", "200", track=True).wait(280)

    assert code == 0, (tmp_path / "output").read_text()
    assert left(tmp_path) == undisturbed
    assert {(line["status"], line["attempt"], line["token"]) for line in ledger(tmp_path)} == {("finished", 1, 1)}
    assert_every_run_is_there_once(tmp_path, local(tmp_path))
