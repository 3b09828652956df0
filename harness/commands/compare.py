"""`winnow compare`: its arguments, and the text that it answers with."""

import argparse
import json
import textwrap
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.record import METRICS

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from harness.exchange.comparing import Block, Compared, Row
    from harness.exchange.differing import Differing
    from harness.exchange.sides import Side

__all__ = ["add_compare", "compare_text"]

_FORMS = """
A and B are each one of
  FOLDER        the results folder of a sweep, such as results/quickstart
  FOLDER:ARM    one arm of it: "results/quickstart:naive top-k"
  FOLDER        the folder of one run, such as results/quickstart/runs/0123456789abcdef
  FINGERPRINT   the 16 digits of a run that is somewhere under --results
Two sweeps are compared arm by arm, by name. Nothing that is shown was planned: every p
is exploratory.
"""


_WIDTH = 80
_VALUE = 24
_SMALLEST_P = 0.001


def add_compare(commands: "_SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add the parser of `winnow compare`."""
    parser = commands.add_parser(
        "compare",
        help="say how two sweeps, arms or runs differ: in settings, in numbers, in where they were run",
        epilog=_FORMS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("left", metavar="A", help="see below")
    parser.add_argument("right", metavar="B", help="see below")
    parser.add_argument(
        "--metric",
        action="append",
        choices=(*METRICS, "all"),
        help="may be repeated (default: all; for two sweeps the one that decides)",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="where fingerprints are")
    return parser


def compare_text(options: argparse.Namespace) -> str:
    """Compare both sides, and return what is to be printed."""
    from harness.exchange.comparing import compare
    from harness.exchange.sides import side_of

    left, right = side_of(options.left, options.results), side_of(options.right, options.results)
    asked = options.metric or []
    found = compare(left, right, METRICS if "all" in asked else tuple(dict.fromkeys(asked)))
    if options.json:
        return json.dumps({"a": left.label, "b": right.label, **asdict(found)}, indent=1)
    return "\n".join(_lines(left, right, found))


def _lines(left: "Side", right: "Side", found: "Compared") -> Iterable[str]:
    for letter, side in (("A", left), ("B", right)):
        yield _wrapped(f"{letter}  {side.label}", "   ")
    if found.plans:
        yield "\nplans differ (A | B):"
        yield from _settings(found.plans)
    for block in found.blocks:
        yield from _block(block)
    yield from (_wrapped(line, "  ") for line in (["", *found.alone] if found.alone else []))
    yield "\nsurroundings differ (A | B):" if found.environment else "\nsurroundings are the same"
    yield from _settings(found.environment)
    count = sum(len(block.rows) for block in found.blocks)
    yield ""
    yield _wrapped(
        f"B - A with its 95 % bootstrap interval over queries; p: paired permutation test over queries, two-sided, "
        f"BH-adjusted over the {count} comparisons shown, unadjusted and t-test below it; sd: of the mean difference "
        "over seeds. Exploratory: none of these comparisons was planned.",
        "",
    )


def _block(block: "Block") -> Iterable[str]:
    names = [f"'{arm}'" for arm in dict.fromkeys(block.arms)]
    datasets = " and ".join(dict.fromkeys(block.datasets))
    yield ""
    yield _wrapped(f"{' and '.join(names)} on {datasets}", "  ")
    yield "  settings differ (A | B):" if block.settings else "  settings are the same"
    yield from _settings(block.settings)
    yield from (_wrapped(f"  note: {note}", "    ") for note in block.notes)
    split = ""
    for row in block.rows:
        if row.split != split:
            split = row.split
            count = f"{row.result.queries:,} queries, {row.result.seeds} seeds"
            yield f"  {f'{split} ({count})':<28}{'A':>6}{'B':>8}{'B - A':>9} {'[95 %]':<19}{'p':>6}"
        yield from _row(row)
    if not block.rows:
        yield "  no numbers to compare"


def _row(row: "Row") -> Iterable[str]:
    from harness.reporting.notation import METRICS as TITLES
    from harness.reporting.notation import VERDICTS

    result = row.result
    interval = f"[{result.difference.low:+.4f}, {result.difference.high:+.4f}]"
    title = TITLES.get(row.metric, row.metric)
    yield (
        f"    {title:<22}{row.left:>8.4f}{row.right:>8.4f}{result.difference.mean:>+9.4f} {interval:<19}"
        f"{_p(row.p_adjusted):>6}"
    )
    if row.identical:
        yield "      identical for every query"
        return
    spread = f"sd {result.seed_spread:.4f}" if result.seed_spread is not None else "one seed"
    t_test = f", t {_p(result.p_t)}" if result.p_t is not None else ""
    counts = f"win/tie/loss {result.wins}/{result.ties}/{result.losses}"
    yield f"      {VERDICTS[row.verdict]}; p {_p(result.p_permutation)}{t_test}; {counts}; {spread}"


def _p(value: float) -> str:
    return f"<{_SMALLEST_P}" if value < _SMALLEST_P else f"{value:.3f}"


def _settings(items: "Iterable[Differing]") -> Iterable[str]:
    """Write a line for each setting, keys in one column; two lines where that is too long."""
    found = [(item.key, f"{_short(item.left)} | {_short(item.right)}") for item in items]
    width = max((len(key) for key, values in found if len(key) + len(values) + 6 <= _WIDTH), default=0)
    for key, values in found:
        if max(len(key), width) + len(values) + 6 <= _WIDTH:
            yield f"    {key:<{width}}  {values}"
        else:
            yield f"    {key}"
            yield f"      {values}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= _VALUE else f"{text[: _VALUE - 1]}…"


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False)
