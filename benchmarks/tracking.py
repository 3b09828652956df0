"""What tracking costs the sweep's own thread per run: without it, and with its server up, down and hanging.

    python benchmarks/tracking.py [--runs 200]

The same made-up runs are told to the listener in each case, in turn, and the process
that mirrors them works beside. Compare the rows of one call, not of two machines; the
cost of the outbox is one wait for the disk per run.
"""

import argparse
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "tracking"))

from toy_sweep import arm, plan_of, record, spec

from harness.listeners import Bystander
from harness.record import write_record, write_text
from harness.sweep import Listener
from harness.tracking import Destination
from harness.tracking.outbox import entries_after, read_position


@contextmanager
def hanging() -> Iterator[str]:
    """Yield the address of a server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(100)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def cost(root: Path, uri: str | None, runs: int) -> tuple[list[float], float, int]:
    """Return the seconds that each run took the thread, those of the end, and how many entries were not sent."""
    arms = tuple(arm(f"arm {number}", share=0.5 + number / 10_000) for number in range(runs // 2))
    plan = plan_of(arms)
    results = root / plan.name
    write_text(results / "plan.json", plan.model_dump_json())
    records = [record(spec(one, seed)) for one in arms for seed in (0, 1)]
    for one in records:
        write_record(results / "runs", one, None)
    destination = Destination(root, uri or "")
    listener = Listener() if uri is None else Bystander(destination)
    listener.planned(plan, len(records))
    spent = []
    for planned, one in zip(plan.runs, records, strict=True):
        time.sleep(0.02)  # a run: the mirror works meanwhile
        started = time.perf_counter()
        listener.ended(planned, one, before=False)
        spent.append(time.perf_counter() - started)
    started = time.perf_counter()
    if isinstance(listener, Bystander):
        listener.finish("Made up.", ())
    ending = time.perf_counter() - started
    missing = entries_after(results, read_position(results, destination.label))
    return spent, ending, sum(1 for _ in missing)


def main() -> None:
    """Measure the cases in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    print(f"{'case':<10} {'median ms':>10} {'95 % ms':>10} {'end s':>8} {'not sent':>9}")
    with hanging() as address:
        for case, uri in (("none", None), ("up", ""), ("down", "http://127.0.0.1:9"), ("hanging", address)):
            with tempfile.TemporaryDirectory() as root:
                spent, ending, missing = cost(Path(root), uri, runs)
            high = statistics.quantiles(spent, n=20)[-1]
            middle = statistics.median(spent)
            print(f"{case:<10} {middle * 1e3:>10.3f} {high * 1e3:>10.3f} {ending:>8.1f} {missing:>9}")


if __name__ == "__main__":
    main()
