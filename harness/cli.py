"""The command `winnow`; the only place that prints.

Nothing heavy is imported before it is known what is asked for.
"""

import argparse
import json
import logging
import math
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from harness import __version__
from harness.commands.audit import add_audit, audit_text
from harness.commands.bundle import add_bundle, add_verify, bundle_text, verify_text
from harness.commands.compare import add_compare, compare_text
from harness.commands.evaluate import add_evaluate, evaluate_text
from harness.commands.leakage import add_leakage, leakage_text
from harness.commands.mine import add_mine, mine_text
from harness.commands.reproduce import add_reproduce, reproduce_text
from harness.commands.track import add_study_storage, add_track, add_tracking_uri, destination_of, track_text
from harness.errors import INTERRUPTED, ConfigError, RunsFailedError, StorageError, WinnowError
from harness.executors.place import add_place, place_of, workers_of
from harness.printable import printable
from harness.remote.argument import add_remote, remote_of

if TYPE_CHECKING:
    from harness.reporting.report import ReportPaths
    from harness.spec import SweepSpec
    from harness.sweep_files import Point

__all__ = ["main"]

_KINDS = ("miners", "teachers", "bases", "batchers", "datasets", "losses", "refreshes", "parts", "recipes")
_TERMINATED = 143

_EXIT_CODES = """
exit codes:
  0 done             2 mistake in a sweep file or argument   3 data missing or corrupt
  4 model missing    5 cannot write                         10 NaN or infinity
 11 some runs failed (the report names them)   12 GPU memory too small
130 interrupted    143 terminated                          1 anything else
"""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM arrived."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(arguments)
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)  # bm25s sets its own logger to DEBUG
    logging.basicConfig(handlers=[handler], format="%(levelname)s: %(message)s")
    signal.signal(signal.SIGTERM, _on_terminate)
    try:
        code: int = options.run(options)
    except TerminatedError:
        _say("terminated: the same command continues where this one stopped", file=sys.stderr)
        return _TERMINATED
    except KeyboardInterrupt:
        _say("interrupted: the same command continues where this one stopped", file=sys.stderr)
        return INTERRUPTED
    except WinnowError as error:
        message = str(error)
        _say(f"winnow:\n{message}" if "\n" in message else f"winnow: {message}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return code


def _say(text: str, *, file: TextIO | None = None, flush: bool = False) -> None:
    """Print text; whatever names stand in it, a terminal does not obey them."""
    print(printable(text), file=file, flush=flush)


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

    add_mine(commands).set_defaults(run=_mine)
    add_audit(commands).set_defaults(run=_audit)
    add_evaluate(commands).set_defaults(run=_evaluate)
    add_leakage(commands).set_defaults(run=_leakage)

    plan = commands.add_parser("plan", help="say what a sweep would run, what is done, and what the rest may cost")
    plan.add_argument("file", type=Path, metavar="FILE", help="a sweep file, such as sweeps/quickstart.yaml")
    plan.add_argument("--json", action="store_true", help="for programs")
    _add_data(plan)
    _add_results(plan)
    plan.set_defaults(run=_plan)

    sweep = commands.add_parser("sweep", help="carry out a sweep and report on it; continues where it was stopped")
    sweep.add_argument("file", type=Path, metavar="FILE", help="a sweep file, such as sweeps/quickstart.yaml")
    add_place(sweep)
    sweep.add_argument(
        "--checkpoint-minutes",
        type=_minutes,
        default=5.0,
        metavar="N",
        help="keep a training that is under way every N minutes (default: 5; 0: after every step)",
    )
    sweep.add_argument(
        "--retries",
        type=_count,
        default=1,
        metavar="N",
        help="try a run again that failed of what may pass, such as a worker that was killed (default: 1)",
    )
    sweep.add_argument(
        "--points",
        type=Path,
        metavar="FILE",
        help="carry out the search at exactly these points, such as results/NAME/points.jsonl",
    )
    add_remote(sweep)
    sweep.add_argument("--no-track", dest="track", action="store_false", help="do not mirror into MLflow")
    add_tracking_uri(sweep)
    add_study_storage(sweep)
    _add_data(sweep)
    _add_results(sweep)
    _add_reports(sweep)
    sweep.set_defaults(run=_sweep)

    report = commands.add_parser("report", help="write the report of a sweep again, or of several sweeps together")
    report.add_argument("folders", type=Path, nargs="+", metavar="RESULTS_DIR", help="such as results/quickstart")
    _add_reports(report)
    report.set_defaults(run=_report)

    add_compare(commands).set_defaults(run=_compare)
    add_bundle(commands).set_defaults(run=_bundle)
    add_verify(commands).set_defaults(run=_verify)
    add_reproduce(commands).set_defaults(run=_reproduce)

    listing = commands.add_parser("list", help="list strategies with parameters, ranges and papers")
    listing.add_argument("kind", choices=_KINDS)
    listing.add_argument("--json", action="store_true", help="for programs")
    listing.set_defaults(run=_list)

    track = add_track(commands)
    _add_results(track)
    _add_reports(track)
    track.set_defaults(run=_track)

    board = commands.add_parser("ui", help="open the MLflow dashboard on this machine")
    board.add_argument("--port", type=int, default=5000, metavar="N")
    board.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="loopback unless told otherwise")
    _add_results(board)
    board.set_defaults(run=_ui)
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="a BEIR folder in place of the file's datasets")


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="root of all results (default: results)"
    )


def _add_reports(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reports", type=Path, default=Path("reports"), metavar="DIR", help="root of all reports (default: reports)"
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, got {text}")
    return number


def _minutes(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of minutes, at least 0, got {text}")
    return number


def _mine(options: argparse.Namespace) -> int:
    _say(mine_text(options))
    return 0


def _audit(options: argparse.Namespace) -> int:
    _say(audit_text(options))
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    _say(evaluate_text(options))
    return 0


def _leakage(options: argparse.Namespace) -> int:
    _say(leakage_text(options))
    return 0


def _compare(options: argparse.Namespace) -> int:
    _say(compare_text(options))
    return 0


def _bundle(options: argparse.Namespace) -> int:
    _say(bundle_text(options))
    return 0


def _verify(options: argparse.Namespace) -> int:
    text, code = verify_text(options)
    _say(text)
    return code


def _reproduce(options: argparse.Namespace) -> int:
    text, code = reproduce_text(options)
    _say(text)
    return code


def _loaded(options: argparse.Namespace) -> "SweepSpec":
    from harness.config import load_sweep, on_folder

    spec = load_sweep(options.file)
    return spec if options.data is None else on_folder(spec, options.data)


def _plan(options: argparse.Namespace) -> int:
    from harness.commands.plan import plan_text

    _say(plan_text(_loaded(options), options.results, as_json=options.json))
    return 0


def _sweep(options: argparse.Namespace) -> int:
    os.environ.setdefault("PYTHONHASHSEED", "0")  # read by the workers when they start
    from contextlib import ExitStack

    from rich.console import Console

    from harness.listeners import Display, Everyone
    from harness.mirrors import Mirrors
    from harness.reporting.report import write_report
    from harness.sweep import Settings, carry_out

    spec = _loaded(options)
    points = _listed(options.points, spec)
    settings = Settings(
        options.results,
        options.results / ".store",
        workers_of(options),
        checkpoint_minutes=options.checkpoint_minutes,
        retries=options.retries,
        place=place_of(options),
        remote=remote_of(options),
    )
    with ExitStack() as stack:
        display = stack.enter_context(Display(Console(stderr=True)))
        mirrors = stack.enter_context(Mirrors(options, spec))
        outcome = carry_out(spec, settings, Everyone(display, mirrors), points)
        paths = write_report(outcome.folder, options.reports)
        unmirrored = mirrors.finish(paths.answer, paths.files)
    _print_end(paths, options)
    for each in unmirrored:
        _say(each, file=sys.stderr)
    if outcome.search_end is not None:
        end = outcome.search_end
        _say(f"the search ended after {end.tried} of {end.planned} points: {end.why}")
    if outcome.failed:
        _say(f"{outcome.failed} runs failed; the report names them, and the same command tries them again")
    if outcome.unsent and settings.remote is not None:
        _say(f"{outcome.unsent} runs, artefacts or files could not be put on {settings.remote.name}; all is here,")
        _say("and the same command puts it there")
    if outcome.failed:
        return RunsFailedError.exit_code
    return StorageError.exit_code if outcome.unsent else 0


def _listed(path: Path | None, spec: "SweepSpec") -> "list[Point] | None":
    from harness.sweep_files import read_points_file

    if path is None:
        return None
    if spec.search is None:
        message = f"--points {path}: the sweep {spec.name} has no search"
        raise ConfigError(message)
    return read_points_file(path)


def _print_end(paths: "ReportPaths", options: argparse.Namespace) -> None:
    address = destination_of(options).address if options.track else ""
    where = "" if options.results == Path("results") else f" --results {options.results}"
    _say(paths.terminal)
    _say(f"report:    {paths.pdf}")
    _say(f"dashboard: {address or f'winnow ui{where}'}")


def _report(options: argparse.Namespace) -> int:
    from harness.reporting.report import write_report

    paths = write_report(options.folders, options.reports)
    _say(paths.terminal)
    _say(f"report: {paths.pdf}\npage:   {paths.page}")
    return 0


def _list(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from harness.describe import listing, render

    rows = listing(options.kind)
    _say(json.dumps([asdict(row) for row in rows], indent=1) if options.json else render(rows))
    return 0


def _track(options: argparse.Namespace) -> int:
    _say(track_text(options))
    return 0


def _ui(options: argparse.Namespace) -> int:
    from harness.tracking import start_dashboard

    with start_dashboard(options.results, port=options.port, host=options.host) as dashboard:
        _say(f"starting the dashboard on {dashboard.address} (Ctrl-C ends it)", flush=True)
        if not dashboard.wait_until_ready():
            _say(f"winnow: the server did not start; {dashboard.log} says why", file=sys.stderr)
            return 1
        for name, page in dashboard.pages.items():
            _say(f"  {name}: {page}", flush=True)
        return dashboard.wait()
