"""The process that mirrors a sweep while it goes on: `python -m harness.mirroring RESULTS_DIR ROOT`.

It ends by itself once its standard input is closed, as happens when the sweep's process
ends in whatever way. So nothing that MLflow does, or leaves undone, can hold up a sweep.
"""

import logging
import os
import sys
from pathlib import Path

from filelock import FileLock

from harness.reporting.figures import score_distribution_figure
from harness.tracking.destination import URI_VARIABLE, Destination
from harness.tracking.process import is_input_closed
from harness.tracking.writer import LOCK, Writer, follow

__all__ = ["main"]

_NICENESS = 10
"""A sweep's own processes come first."""


def main(results: Path, root: Path) -> int:
    """Mirror `results` until standard input is closed and all is sent; return 1 if something is not."""
    os.nice(_NICENESS)
    logging.basicConfig(format="%(asctime)s %(levelname)s: %(message)s")
    destination = Destination(root, os.environ.get(URI_VARIABLE, ""))
    with FileLock(results / LOCK):  # a writer of an earlier sweep may be about to end
        return 0 if follow(Writer(results, destination, figure=score_distribution_figure), is_input_closed) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
