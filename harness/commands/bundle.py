"""`winnow bundle` and `winnow verify`: their arguments, and the texts that they answer with."""

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from harness.exchange.checks import Check

__all__ = ["add_bundle", "add_verify", "bundle_text", "verify_text"]

_WIDTH = 80
_MOST = 40
"""How many differences of one check are printed."""


def add_bundle(commands: "_SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add the parser of `winnow bundle`."""
    parser = commands.add_parser("bundle", help="put a sweep's results into one archive that others can check")
    parser.add_argument("folder", type=Path, metavar="RESULTS_DIR", help="such as results/quickstart")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: SWEEP.zip in this folder")
    parser.add_argument("--texts", action="store_true", help="take in texts of queries and documents, if kept")
    return parser


def add_verify(commands: "_SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add the parser of `winnow verify`."""
    parser = commands.add_parser("verify", help="check a bundle: form every number in it again, trusting nothing")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="a file that winnow bundle wrote")
    parser.add_argument("--sha256", metavar="DIGEST", help="what the archive's SHA-256 must be")
    return parser


def bundle_text(options: argparse.Namespace) -> str:
    """Write the bundle, and say what is in it."""
    from harness.exchange.bundle import bundle

    made = bundle(options.folder, options.output, texts=options.texts)
    lines = [f"{made.path}: {made.files} files, {made.runs} runs, {made.bytes / 1e6:.1f} MB", f"sha256 {made.sha256}"]
    return "\n".join([*lines, *(_wrapped(f"- {remark}", "  ") for remark in made.remarks)])


def verify_text(options: argparse.Namespace) -> tuple[str, int]:
    """Check the bundle; return what is to be printed, and the exit code."""
    from harness.exchange.verification import UNSEEN, verify

    found = verify(options.bundle, options.sha256)
    lines = [f"{options.bundle}", f"sha256 {found.sha256}", "", *map(_line, found.checks), ""]
    failing = [check for check in found.checks if check.outcome == "FAILED"]
    if failing:
        lines += [line for check in failing for line in _differences(check)]
        lines.append(f"{len(failing)} of {len(found.checks)} checks failed")
        return "\n".join(lines), DataError.exit_code
    open_ends = sum(check.outcome == "not checked" for check in found.checks)
    lines.append("nothing differs" + (f"; {open_ends} checks could not be made" if open_ends else ""))
    lines.append(_wrapped(f"No check can find a change in: {'; '.join(UNSEEN)}.", ""))
    return "\n".join(lines), 0


def _line(check: "Check") -> str:
    return _wrapped(f"{check.outcome:<13}{check.name:<13}{check.text}", " " * 26)


def _differences(check: "Check") -> list[str]:
    lines = [_wrapped(f"  {line}", "    ") for line in check.differences[:_MOST]]
    further = len(check.differences) - len(lines)
    return [f"{check.name}:", *lines, *([f"  and {further:,} more"] if further else [])]


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(
        text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False, replace_whitespace=False, drop_whitespace=True
    )
