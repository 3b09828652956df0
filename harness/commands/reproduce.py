"""`winnow reproduce`: its arguments, and the text that it answers with."""

import argparse
import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError, RunsFailedError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from harness.exchange.reproduction import Reproduction, Task

__all__ = ["add_reproduce", "reproduce_text"]

_WIDTH = 80
_MOST = 40
"""How many lines of one kind are printed."""


def add_reproduce(commands: "_SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add the parser of `winnow reproduce`."""
    parser = commands.add_parser(
        "reproduce", help="run a published sweep again, and hold every number against the published one"
    )
    parser.add_argument("folder", type=Path, metavar="PUBLISHED", help="such as results/published/quickstart")
    parser.add_argument("--sample", type=int, metavar="N", help="only N runs, drawn by chance")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="decides which runs are drawn (default: 0)")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("build/reproduced"),
        metavar="DIR",
        help="root of what is run; continues what is there (default: build/reproduced)",
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="runs at a time")
    parser.add_argument("--write", action="store_true", help="run nothing: write expected.yaml from the records")
    return parser


def reproduce_text(options: argparse.Namespace) -> tuple[str, int]:
    """Run what was published again; return what is to be printed, and the exit code."""
    from harness.exchange.expected import write_expected
    from harness.exchange.reproduction import checked, task_of

    if options.write:
        return f"{write_expected(options.folder)}", 0
    task = task_of(options.folder, options.sample, options.seed)
    if options.results.resolve() == options.folder.resolve().parent:
        raise DataError(f"--results {options.results} holds what was published: name another folder")
    folder = _carried_out(task, options)
    found = checked(task, folder)
    code = 0 if found.holds else RunsFailedError.exit_code if found.missing else DataError.exit_code
    return _text(task, found, folder), code


def _carried_out(task: "Task", options: argparse.Namespace) -> Path:
    os.environ.setdefault("PYTHONHASHSEED", "0")  # read by the workers when they start
    from rich.console import Console

    from harness.listeners import Display
    from harness.sweep import Settings, carry_out_runs

    settings = Settings(options.results, options.results / ".store", max(options.workers, 1))
    with Display(Console(stderr=True)) as display:
        return carry_out_runs(task.sweep, list(task.runs), settings, display).folder


def _text(task: "Task", found: "Reproduction", folder: Path) -> str:
    from harness.exchange.expected import RULE

    lines = [
        f"{task.sweep.name}: {found.runs} of {task.planned} runs again, in {folder}",
        f"  {found.equal:>5} numbers equal to the last bit",
        f"  {found.within:>5} not equal, within tolerance",
        f"  {len(found.outside):>5} outside",
        f"  {len(found.missing):>5} missing",
        f"  {found.means - len(found.means_outside):>5} of {found.means} means over seeds within tolerance",
        _wrapped(f"tolerance: {RULE}; of a mean over n seeds with sd / sqrt(n)"),
        *_surroundings(found),
    ]
    if found.further:
        lines.append(_wrapped(f"measured now and not then: {', '.join(sorted(found.further))}"))
    for what, differences in (("outside", found.outside + found.means_outside), ("missing", found.missing)):
        lines += [_wrapped(f"{what}: {line}") for line in differences[:_MOST]]
        lines += [f"{what}: and {len(differences) - _MOST} more"] if len(differences) > _MOST else []
    return "\n".join([*lines, "reproduced" if found.holds else "NOT reproduced"])


def _surroundings(found: "Reproduction") -> list[str]:
    """Say whether equality was to be expected."""
    if not found.elsewhere:
        exact = not (found.within or found.outside)
        said = "so equality is expected" + ("" if exact else ", and yet some numbers are not equal")
        return [_wrapped(f"packages and processor are those of the published runs, {said}")]
    named = [f"{item.key} {item.left} -> {item.right}" for item in found.elsewhere]
    return [_wrapped(f"surroundings differ, so numbers may: {'; '.join(named)}")]


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)
