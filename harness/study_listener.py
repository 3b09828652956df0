"""Keeps what a search is told as `study.json`, and has a process beside the sweep copy it to a storage."""

import logging
from pathlib import Path

from harness.errors import WinnowError
from harness.spec import SearchSpec, SweepSpec
from harness.study_file import Trial, study_of, write_study
from harness.sweep import Listener
from harness.tracking.process import STUDY_LOG, StudyProcess
from harness.tracking.study_storage import StudyStorage

__all__ = ["StudyListener"]

_log = logging.getLogger(__name__)

_AT_MOST = 40.0
"""Seconds that a finished sweep waits for the copy; a server that refuses is given up sooner."""

_IN_A_HURRY = 5.0


class StudyListener(Listener):
    """Hears of the points of a sweep's search.

    Nothing waits for the storage before the end. A `study.json` that cannot be written is
    reported once and costs the sweep nothing.
    """

    def __init__(self, sweep: SweepSpec, search: SearchSpec, storage: StudyStorage, root: Path) -> None:
        self._study = study_of(sweep, search)
        self._storage = storage
        self._results = root / sweep.name
        self._process: StudyProcess | None = None
        self._is_open = True

    def tried(self, number: int, trial: Trial) -> None:
        """Keep a trial; begin the process that sends it at the first."""
        if not self._is_open:
            return
        self._study = self._study.model_copy(update={"trials": (*self._study.trials[:number], trial)})
        try:
            write_study(self._results, self._study)
            self._process = self._process or StudyProcess(self._results, self._storage)
        except (WinnowError, OSError) as error:
            _log.warning("the study storage is no longer written (%s); results stay whole", error)
            self._is_open = False

    def finish(self) -> str:
        """Wait until all is sent or given up, and return what there is to say of it."""
        if self._process is None or self._end(_AT_MOST):
            return ""
        return (
            f"the search of {self._results} is not wholly in the study storage {self._storage.name} "
            f"({self._results / STUDY_LOG} says why); results are not affected, and `winnow track {self._results} "
            f"--study-storage ...` finishes it"
        )

    def leave(self) -> None:
        """End the process, after a short wait, unless it has ended."""
        self._end(_IN_A_HURRY)

    def _end(self, seconds: float) -> bool:
        process, self._process, self._is_open = self._process, None, False
        return process is None or process.end(seconds)
