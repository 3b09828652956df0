"""The process that copies a search to Optuna's storage as it goes on: `python -m harness.study_mirroring RESULTS_DIR`.

It ends like that of `harness.mirroring`, and for the same reason: a database that is down,
restarted or locked holds up nobody.
"""

import logging
import os
import sys
from pathlib import Path

from filelock import FileLock

from harness.tracking.process import is_input_closed
from harness.tracking.study import LOCK, StudyWriter
from harness.tracking.study_storage import STORAGE_VARIABLE, StudyStorage
from harness.tracking.writer import follow

__all__ = ["main"]

_NICENESS = 10
"""A sweep's own processes come first."""


def main(results: Path) -> int:
    """Copy the search in `results` until standard input is closed and all is sent; return 1 if something is not."""
    os.nice(_NICENESS)
    logging.basicConfig(format="%(asctime)s %(levelname)s: %(message)s")
    storage = StudyStorage(os.environ[STORAGE_VARIABLE])
    with FileLock(results / LOCK):  # a writer of an earlier sweep may be about to end
        return 0 if follow(StudyWriter(results, storage), is_input_closed) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
