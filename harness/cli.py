"""The command `winnow`; the only place that prints.

Nothing heavy is imported before it is known what is asked for.
"""

import argparse
import json
import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from harness import __version__
from harness.errors import INTERRUPTED, WinnowError

__all__ = ["main"]

_KINDS = ("miners", "teachers", "bases", "datasets", "losses", "recipes")
_TERMINATED = 143

_EXIT_CODES = """
exit codes:
  0 done             2 mistake in a sweep file or argument   3 data missing or corrupt
  4 model missing    5 cannot write                         10 NaN or infinity
 11 some runs failed (the report names them)   130 interrupted   143 terminated
  1 anything else
"""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM arrived."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    signal.signal(signal.SIGTERM, _on_terminate)
    try:
        code: int = options.run(options)
    except TerminatedError:
        print("terminated: the same command continues where this one stopped", file=sys.stderr)
        return _TERMINATED
    except KeyboardInterrupt:
        print("interrupted: the same command continues where this one stopped", file=sys.stderr)
        return INTERRUPTED
    except WinnowError as error:
        print(f"winnow: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return code


def _on_terminate(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise TerminatedError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="winnow",
        description="Separate false negatives from hard negatives: mine, train, evaluate and compare.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"winnow {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    plan = commands.add_parser("plan", help="say what a sweep would run, what is done, and what the rest may cost")
    plan.add_argument("file", type=Path, metavar="FILE", help="a sweep file, such as sweeps/quickstart.yaml")
    plan.add_argument("--json", action="store_true", help="for programs")
    _add_results(plan)
    plan.set_defaults(run=_plan)

    sweep = commands.add_parser("sweep", help="carry out a sweep and report on it; continues where it was stopped")
    sweep.add_argument("file", type=Path, metavar="FILE", help="a sweep file, such as sweeps/quickstart.yaml")
    sweep.add_argument("--workers", type=_positive, default=os.cpu_count() or 1, metavar="N", help="runs at a time")
    sweep.add_argument("--no-track", dest="track", action="store_false", help="do not mirror into MLflow")
    _add_results(sweep)
    _add_reports(sweep)
    sweep.set_defaults(run=_sweep)

    report = commands.add_parser("report", help="write the report of a sweep's results again")
    report.add_argument("folder", type=Path, metavar="RESULTS_DIR", help="such as results/quickstart")
    _add_reports(report)
    report.set_defaults(run=_report)

    listing = commands.add_parser("list", help="list strategies with parameters, ranges and papers")
    listing.add_argument("kind", choices=_KINDS)
    listing.add_argument("--json", action="store_true", help="for programs")
    listing.set_defaults(run=_list)

    track = commands.add_parser("track", help="mirror a sweep's results into MLflow")
    track.add_argument("folder", type=Path, metavar="RESULTS_DIR", help="such as results/quickstart")
    _add_reports(track)
    track.set_defaults(run=_track)

    board = commands.add_parser("ui", help="open the MLflow dashboard on this machine")
    board.add_argument("--port", type=_positive, default=5000, metavar="N")
    board.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="loopback unless told otherwise")
    _add_results(board)
    board.set_defaults(run=_ui)
    return parser


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="root of all results (default: results)"
    )


def _add_reports(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reports", type=Path, default=Path("reports"), metavar="DIR", help="root of all reports (default: reports)"
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return number
