"""The mirrors of a sweep together: MLflow, and Optuna's storage for its search."""

import argparse
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.commands.track import destination_of, storage_of
from harness.listeners import Bystander, Everyone
from harness.spec import SweepSpec
from harness.study_listener import StudyListener

__all__ = ["Mirrors"]


class Mirrors(Everyone):
    """Those that the options of `winnow sweep` ask for; a context that leaves no process behind.

    Raises ConfigError for an address that is none.
    """

    def __init__(self, options: argparse.Namespace, sweep: SweepSpec) -> None:
        storage = storage_of(options)
        self._mlflow = Bystander(destination_of(options)) if options.track else None
        self._study = StudyListener(sweep, sweep.search, storage, options.results) if storage and sweep.search else None
        super().__init__(*(each for each in (self._mlflow, self._study) if each is not None))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._mlflow, self._study):
            if each is not None:
                each.leave()

    def finish(self, answer: str, files: tuple[Path, ...]) -> list[str]:
        """Wait until all is sent or given up, and return what there is to say of what is not."""
        study = self._study.finish() if self._study is not None else ""
        mlflow = self._mlflow.finish(answer, files) if self._mlflow is not None else ""
        return [told for told in (mlflow, study) if told]
