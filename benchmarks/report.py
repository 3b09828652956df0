"""How long a report of a large sweep takes, and how much memory: made-up results, real report.

    python benchmarks/report.py [--arms 60] [--datasets 10] [--seeds 5] [--queries 1000]

Time depends on the machine; the peak of resident memory hardly does.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "reporting"))

from synthetic import Arm, Sweep, mined

from harness.reporting.report import write_report

_FAMILIES: dict[str, Callable[[int], dict[str, float]]] = {
    "topk_percpos": lambda step: {"share": 0.5 + 0.05 * (step % 10)},
    "topk_marginpos": lambda step: {"margin": 0.01 * step},
    "topk_abs": lambda step: {"ceiling": 0.4 + 0.02 * step},
    "topk_shifted": lambda step: {"shift": step},
    "random": lambda step: {"k": 4 + step},
    "topk": lambda step: {"k": 4 + step},
}


def arms(count: int) -> list[Arm]:
    """Return arms of six families in turn."""
    names = list(_FAMILIES)
    return [
        Arm(
            f"{names[n % 6]} {n // 6}",
            mined(names[n % 6], **_FAMILIES[names[n % 6]](n // 6)),
            0.5 + 0.002 * (n // 6) + 0.01 * (n % 6),
            0.01 * (n // 6),
            teacher="minilm" if n % 6 else "bm25",
        )
        for n in range(count)
    ]


def main() -> None:
    """Write the results, then time the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("arms", 60), ("datasets", 10), ("seeds", 5), ("queries", 1000)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--kept", action="store_true", help="with rankings, negatives and traces")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sweep = Sweep(
            arms=arms(options.arms),
            datasets=tuple(f"dataset {n}" for n in range(options.datasets)),
            seeds=tuple(range(options.seeds)),
            baseline="topk 0",
            test=options.queries,
            dev=200,
            name="large",
            kept=options.kept,
        )
        start = time.perf_counter()
        results = sweep.write(Path(folder) / "results")
        print(
            f"results of {options.arms * options.datasets * options.seeds:,} runs: {time.perf_counter() - start:.1f} s"
        )
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        start = time.perf_counter()
        paths = write_report(results, Path(folder) / "reports")
        seconds = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"report: {seconds:.1f} s, peak {after:,.0f} MiB (before it {before:,.0f} MiB)")
        print(f"PDF {paths.pdf.stat().st_size / 1e6:.1f} MB, {len(paths.figures)} files of figures")


if __name__ == "__main__":
    main()
