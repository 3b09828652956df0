"""A worker or the coordinator is killed or stopped at a named place; afterwards nothing tells that it was."""

import os
import signal

import pytest
from traps import STAGES, stopped, trap

from sweeps import left, start, until_done

QUICK = "after the result is written"


@pytest.mark.parametrize(
    ("stage", "how"),
    [
        pytest.param(stage, how, marks=() if (stage == QUICK and how == "worker") else pytest.mark.fault_sweep)
        for stage in STAGES
        for how in ("worker", "coordinator")
    ],
)
def test_a_sweep_whose_process_is_killed_ends_as_if_it_had_not_been(undisturbed, tmp_path, stage, how):
    mark = trap(tmp_path, STAGES[stage], how)

    first = start(tmp_path).wait(240)
    rest = until_done(tmp_path)

    assert mark.exists()
    # a worker that dies is one failure that may pass: its run is tried again at once
    assert first == (-signal.SIGKILL if how == "coordinator" else 0)
    assert rest == [0], (tmp_path / "output").read_text()
    assert left(tmp_path) == undisturbed


def test_a_worker_that_is_stopped_and_woken_up_goes_on_and_a_second_coordinator_is_refused_meanwhile(
    undisturbed, tmp_path
):
    mark = trap(tmp_path, STAGES["while training"], "stop")
    first = start(tmp_path)
    worker = stopped(mark)

    second = start(tmp_path).wait(120)
    still = first.poll()
    os.kill(worker, signal.SIGCONT)

    assert (second, still, first.wait(240)) == (2, None, 0), (tmp_path / "output").read_text()
    assert "another process is carrying out the sweep" in (tmp_path / "output").read_text()
    assert left(tmp_path) == undisturbed
