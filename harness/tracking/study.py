"""Copies a search into Optuna's storage, for its dashboard and tools; what is there already is not written again."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StorageError
from harness.fingerprint import digest
from harness.study_file import StudyFile, Trial, read_study
from harness.tracking.study_storage import StudyStorage

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

__all__ = ["LOCK", "StudyWriter"]

LOCK = "study.lock"
"""Held by whoever copies a search: of two at once, each would add every trial."""

_MARK = "winnow.study"
"""Says of a study that it is a copy, which may be written anew."""

_POINT = "winnow.point"


class StudyWriter:
    """Sends `study.json` of `results` to a storage; after an error the next call begins anew.

    The trials of a storage cannot be changed or taken out one by one. So they are compared
    with the file: those that are missing are added, and where one differs, because a point
    that had failed was tried again, the study is written anew. A storage that is ahead of a
    file, as while a search is replayed, is left alone. `sent` counts trials.
    """

    def __init__(self, results: Path, storage: StudyStorage) -> None:
        self.sent = 0
        self._results = results
        self._storage = storage
        self._open: _OpenStudy | None = None
        self._done: StudyFile | None = None

    def catch_up(self) -> None:
        """Send all that is new; raise whatever the storage raises, StorageError for a damaged file."""
        study = read_study(self._results)
        if study is None or study == self._done:
            return
        try:
            self._send(study)
        except BaseException:
            self._open = None  # a request that was given up may have been carried out: what is there is read again
            raise
        self._done = study

    def end(self) -> None:
        """Do nothing: a study has no end."""

    def _send(self, study: StudyFile) -> None:
        if self._open is None or self._open.name != study.name:
            self._open = _OpenStudy(self._storage.open(self._results), study)
        points = [_digest(trial) for trial in study.trials]
        common = min(len(points), len(self._open.points))
        if points[:common] != self._open.points[:common]:
            self._open.clear()
        for trial in study.trials[len(self._open.points) :]:
            self._open.add(trial)
            self.sent += 1


class _OpenStudy:
    """A study in a storage; `points` are the digests of the trials that it holds, in their order."""

    def __init__(self, storage: "RDBStorage", study: StudyFile) -> None:
        self.name = study.name
        self._storage = storage
        self._study = study
        self._id = self._created()
        trials = storage.get_all_trials(self._id, deepcopy=False)
        self.points = [str(trial.user_attrs.get(_POINT, "")) for trial in trials]

    def _created(self) -> int:
        import optuna

        study = optuna.create_study(
            storage=self._storage,
            study_name=self._study.name,
            directions=list(self._study.directions),
            load_if_exists=True,
        )
        if study.get_trials(deepcopy=False) and _MARK not in study.user_attrs:
            raise StorageError(f"the study storage holds another study named {study.study_name}: it is left as it is")
        study.set_user_attr(_MARK, self._study.name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # its signature; the pin fixes it
            study.set_metric_names(list(self._study.objectives))
        return self._storage.get_study_id_from_name(self._study.name)

    def clear(self) -> None:
        """Take the study out of the storage and begin it anew."""
        self._storage.delete_study(self._id)
        self._id = self._created()
        self.points = []

    def add(self, trial: Trial) -> None:
        """Add a trial; raise StorageError if the storage has added it twice.

        Optuna repeats a request after an error of the connection, also where the first one
        had been carried out: the number of the trial then tells.
        """
        added = self._storage.create_new_trial(self._id, _frozen(trial))
        number = self._storage.get_trial_number_from_id(added)
        if number != len(self.points):
            raise StorageError(f"the study storage took trial {len(self.points)} for number {number}: read again")
        self.points.append(_digest(trial))


def _digest(trial: Trial) -> str:
    return digest(trial, 32)


def _frozen(trial: Trial) -> "FrozenTrial":
    import optuna

    states = {
        "complete": optuna.trial.TrialState.COMPLETE,
        "fail": optuna.trial.TrialState.FAIL,
        "pruned": optuna.trial.TrialState.PRUNED,
    }
    to_distribution = optuna.distributions.json_to_distribution
    attributes = {_POINT: _digest(trial), "winnow.arm": trial.arm, "winnow.runs": list(trial.runs)}
    return optuna.trial.create_trial(
        state=states[trial.state],
        params=dict(trial.params),
        distributions={name: to_distribution(text) for name, text in trial.distributions.items()},
        values=list(trial.values) if trial.values else None,
        user_attrs=attributes,
    )
