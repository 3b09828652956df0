"""`winnow track`: its arguments, and the text that it answers with."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from harness.errors import StorageError, WinnowError
from harness.study_file import NAME as STUDY
from harness.tracking.destination import URI_VARIABLE, Destination
from harness.tracking.study_storage import LOCAL, STORAGE_VARIABLE, StudyStorage

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_study_storage", "add_track", "add_tracking_uri", "destination_of", "storage_of", "track_text"]


def add_track(commands: "_SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add the parser of `winnow track`."""
    parser = commands.add_parser("track", help="mirror a sweep's results into MLflow, or what is missing there")
    parser.add_argument("folder", type=Path, metavar="RESULTS_DIR", help="such as results/quickstart")
    parser.add_argument("--rebuild", action="store_true", help="go by the results alone, not by what was sent before")
    add_tracking_uri(parser)
    add_study_storage(parser)
    return parser


def add_tracking_uri(parser: argparse.ArgumentParser) -> None:
    """Add the address of a tracking server."""
    parser.add_argument(
        "--tracking-uri",
        default=os.environ.get(URI_VARIABLE, ""),
        metavar="URL",
        help=f"an MLflow server to mirror to (default: {URI_VARIABLE}, else mlflow.db under the root of all results)",
    )


def add_study_storage(parser: argparse.ArgumentParser) -> None:
    """Add the address of Optuna's storage."""
    parser.add_argument(
        "--study-storage",
        default=os.environ.get(STORAGE_VARIABLE, ""),
        metavar="URL",
        help=f"a database to copy the search to, for optuna-dashboard: '{LOCAL}' for study.db in the sweep's results, "
        f"or postgresql://USER@HOST/NAME (default: {STORAGE_VARIABLE}, else none)",
    )


def storage_of(options: argparse.Namespace) -> StudyStorage | None:
    """Return where to copy a search to, if anywhere; raise ConfigError for what is no address of a database."""
    return StudyStorage(options.study_storage) if options.study_storage else None


def destination_of(options: argparse.Namespace) -> Destination:
    """Return where to mirror to; raise ConfigError for what is no address of a server."""
    return Destination(options.results, options.tracking_uri)


def track_text(options: argparse.Namespace) -> str:
    """Mirror what is missing, or with `--rebuild` everything, and say how much that is.

    The study storage, if there is one, comes first. Raises StorageError if another process
    is mirroring these results, or a mirror cannot be written.
    """
    destination, storage = destination_of(options), storage_of(options)
    if not options.folder.is_dir():
        raise StorageError(f"{options.folder} is missing: is it the results folder of a sweep?")
    study = _study_text(options.folder, storage) if storage else ""
    return study + _mlflow_text(options, destination)


def _study_text(results: Path, storage: StudyStorage) -> str:
    """Copy the search and return a line that says so; a sweep may have none."""
    from harness.tracking.mirror import one_line
    from harness.tracking.study import LOCK, StudyWriter

    if not (results / STUDY).exists():
        return f"{results} has no {STUDY}: a sweep with a search, carried out with --study-storage, writes it\n"
    try:
        with FileLock(results / LOCK, timeout=0):
            StudyWriter(results, storage).catch_up()
    except Timeout as error:
        raise StorageError(f"another process is copying the search of {results}: wait until it has ended") from error
    except WinnowError:
        raise
    except Exception as error:
        raise StorageError(f"cannot copy the search to {storage.name}: {one_line(error)}") from error
    return f"the search of {results} is in {storage.name}\n"


def _mlflow_text(options: argparse.Namespace, destination: Destination) -> str:
    from harness.tracking.outbox import NAME
    from harness.tracking.writer import LOCK

    by_results = options.rebuild or not (options.folder / NAME).exists()
    mirror: Callable[[argparse.Namespace, Destination], str] = _by_results if by_results else _by_outbox
    try:
        with FileLock(options.folder / LOCK, timeout=0):
            return mirror(options, destination)
    except Timeout as error:
        raise StorageError(f"another process is mirroring {options.folder}: wait until it has ended") from error


def _by_outbox(options: argparse.Namespace, destination: Destination) -> str:
    from harness.reporting.figures import score_distribution_figure
    from harness.tracking.mirror import one_line
    from harness.tracking.writer import Writer

    writer = Writer(options.folder, destination, figure=score_distribution_figure)
    try:
        writer.catch_up()
        writer.end()
    except WinnowError:
        raise
    except Exception as error:
        raise StorageError(f"cannot mirror to {destination.name}: {one_line(error)}") from error
    return f"everything in the outbox of {options.folder} is in {destination.name}"


def _by_results(options: argparse.Namespace, destination: Destination) -> str:
    from harness.reporting.figures import score_distribution_figure
    from harness.reporting.report import write_report
    from harness.tracking import Summary, rebuild
    from harness.tracking.outbox import NAME, write_position

    paths = write_report(options.folder, options.reports)
    outbox = options.folder / NAME
    size = outbox.stat().st_size if outbox.exists() else 0  # before, for what is added meanwhile is not sent
    summary = Summary.of(paths.answer, paths.files)
    count = rebuild(destination, options.folder, summary, figure=score_distribution_figure)
    if size:
        write_position(options.folder, destination.label, size)
    return f"{count} runs of {options.folder} are in {destination.name}"
