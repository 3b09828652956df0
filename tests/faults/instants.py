"""Kill a worker or the coordinator of a sweep at random instants, and compare what it leaves in the end.

    python tests/faults/instants.py --instants 200 [--minutes 10] [--seed 0]

Every sweep is killed again and again, each time after a random while, until an attempt
of it ends by itself; then its tables are compared byte for byte with those of a sweep
that nobody disturbed. Prints how many instants there were, and where they fell.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]
from sweeps import left, start, until_done

_KILLS_PER_SWEEP = 12
_TARGETS = ("worker", "coordinator", "worker stopped")


def main() -> int:
    """Inject and compare until enough instants were tried or the time is over; 1 if any table differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instants", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)  # noqa: S311  no secret
    deadline = time.monotonic() + 60 * options.minutes
    whole = Path(tempfile.mkdtemp(prefix="undisturbed-"))
    begun = time.monotonic()
    if until_done(whole) != [0]:
        sys.exit((whole / "output").read_text())
    usual, expected = time.monotonic() - begun, left(whole)
    fell: Counter[str] = Counter()
    wrong = sweeps = 0
    while fell.total() < options.instants and time.monotonic() < deadline:
        folder = Path(tempfile.mkdtemp(prefix="disturbed-"))
        fell += _disturbed(folder, rng, usual, min(_KILLS_PER_SWEEP, options.instants - fell.total()))
        codes = until_done(folder)
        sweeps += 1
        same = codes[-1] == 0 and left(folder) == expected
        wrong += not same
        print(f"{fell.total()} instants in {sweeps} sweeps, {wrong} differ {'' if same else folder}", flush=True)
        if same:
            shutil.rmtree(folder)
    for where, count in sorted(fell.items()):
        print(f"  {count:4} {where}")
    return int(bool(wrong))


def _disturbed(folder: Path, rng: random.Random, usual: float, kills: int) -> Counter[str]:
    """Disturb a sweep up to `kills` times; return how often, by whom it hit and how far the sweep was."""
    fell: Counter[str] = Counter()
    for _ in range(kills):
        running = start(folder)
        time.sleep(rng.uniform(0.0, usual / 2))
        if running.poll() is not None:
            break
        target = rng.choice(_TARGETS)
        process = running.pid if target == "coordinator" else _child(running.pid)
        if process is None:
            target, process = "coordinator", running.pid
        if target == "worker stopped":
            os.kill(process, signal.SIGSTOP)
            time.sleep(1.0)
            os.kill(process, signal.SIGCONT)
            time.sleep(rng.uniform(0.0, 1.0))
            process = running.pid
        os.kill(process, signal.SIGKILL)
        if process == running.pid:
            running.wait(60)
        else:
            _end(running, rng, usual)
        fell[f"{target}, {len(list(folder.glob('results/toy/runs/*/record.json')))} runs recorded"] += 1
    return fell


def _end(running: subprocess.Popen[str], rng: random.Random, usual: float) -> None:
    """Let a sweep that lost a worker go on for a while, then end its coordinator too."""
    time.sleep(rng.uniform(0.0, usual / 4))
    if running.poll() is None:
        os.kill(running.pid, signal.SIGKILL)
        running.wait(60)


def _child(pid: int) -> int | None:
    """Return a child of a process that serves jobs, None if there is none yet."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"spawn_main" in command:
                return child
    return None


if __name__ == "__main__":
    sys.exit(main())
