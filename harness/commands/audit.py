"""`winnow audit`: its arguments, and the text that it answers with."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, cast

from harness.arguments import ArgumentReader, short_label
from harness.commands.mine import add_data, check_numbers, named_teachers
from harness.registry import MINERS, TEACHERS
from harness.spec import Component, RunSpec

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from harness.mining.base import Miner
    from harness.teachers.base import Teacher

__all__ = ["add_audit", "audit_text"]

_DATA = """
DATA, TEACHER and MINER are written as for `winnow mine`; --teacher and --miner may be
given several times, and --set holds for every miner that has the parameter.
"""


def add_audit(commands: "_SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add the parser of `winnow audit`."""
    parser = commands.add_parser(
        "audit",
        help="measure which miners let in false negatives, and at what cost in hardness; trains nothing",
        epilog=_DATA,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data(parser)
    parser.add_argument("--teacher", action="append", metavar="TEACHER", help="may be repeated; default: minilm")
    parser.add_argument(
        "--miner", action="append", metavar="MINER", help="may be repeated; default: the published ones and two bounds"
    )
    parser.add_argument(
        "--hide-positives", type=int, metavar="SEED", help="keep one positive per query of the split, hide its others"
    )
    parser.add_argument("--queries", type=int, metavar="N", help="audit no more than N queries, chosen by their ids")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the PDF, the figures and the JSON")
    return parser


def audit_text(options: argparse.Namespace) -> str:
    """Audit, write the files, and return what is to be printed."""
    dataset, teachers, miners = _read(options)
    from harness.auditing import run_audit, subject
    from harness.progress import progress_shown
    from harness.sources.kept import load_collection
    from harness.store import Store, writable
    from harness.teachers.base import Workspace

    writable(options.out)
    store = Store(options.results / ".store")
    with progress_shown() as progress:
        collection = subject(
            load_collection(dataset, store),
            split=options.split,
            hide=options.hide_positives,
            queries=options.queries,
            seed=options.seed,
        )
        paths = run_audit(
            collection,
            teachers,
            miners,
            split=options.split,
            depth=options.depth,
            seed=options.seed,
            work=Workspace(store, progress),
            out=options.out,
        )
    return f"{paths.text.rstrip()}\nreport: {paths.pdf}"


def _read(options: argparse.Namespace) -> "tuple[Component, list[tuple[str, Teacher]], list[tuple[str, Miner]]]":
    """Check every argument before anything is loaded; raise ConfigError that lists all mistakes."""
    reader = ArgumentReader()
    dataset = reader.dataset(options.data, options.corpus)
    miners = reader.miners(options.miner or [], options.set)
    if options.set and not options.miner:
        reader.add("--set goes with --miner: without it every miner has its published setting")
    teachers = reader.teachers(named_teachers(options, reader), options.max_length)
    check_numbers(options, reader)
    if options.hide_positives is not None:
        reader.within("--hide-positives", options.hide_positives, RunSpec, "seed")
    if options.queries is not None and options.queries < 1:
        reader.add(f"--queries must be at least 1, got {options.queries}")
    for where, kind, named in (("--miner", MINERS, miners), ("--teacher", TEACHERS, teachers)):
        labels = [short_label(kind, each) for each in named]
        for label in sorted({label for label in labels if labels.count(label) > 1}):
            reader.add(f"{where}: {label} is given twice")
    if options.out.is_file():
        reader.add(f"--out {options.out} is a file; the audit fills a folder")
    reader.raise_if_any()
    return (
        cast("Component", dataset),
        [(short_label(TEACHERS, each), cast("Teacher", TEACHERS.create(each.name, each.params))) for each in teachers],
        [(short_label(MINERS, each), cast("Miner", MINERS.create(each.name, each.params))) for each in miners],
    )
