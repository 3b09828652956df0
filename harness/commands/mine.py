"""`winnow mine`: its arguments, and the text that it answers with."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from harness.arguments import ArgumentReader
from harness.spec import Component, MiningSpec, RunSpec, Shortage

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["DEFAULT_MINER", "add_data", "add_mine", "check_numbers", "mine_text", "named_teachers"]

DEFAULT_TEACHER = "minilm"
DEFAULT_MINER = "topk_percpos"
_FORMATS = ("records", "triplet", "n-tuple", "labeled-list")

_DATA = """
DATA is a folder in BEIR format (corpus.jsonl, queries.jsonl, qrels/), a .parquet,
.jsonl, .csv or .tsv file of (query, positive) pairs, `docstrings`, `synthetic`, or
`mteb:TaskName`; parameters of the source follow a colon: docstrings:train_pairs=500.
TEACHER and MINER are names of `winnow list teachers` and `winnow list miners`, with
parameters alike: minilm:max_length=64. A teacher may also be the path of a local
sentence-transformers folder; a recipe of `winnow list recipes` stands for its miner.
"""


def add_mine(commands: "_SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add the parser of `winnow mine`."""
    parser = commands.add_parser(
        "mine",
        help="choose negatives for (query, positive) pairs and write them for a trainer",
        epilog=_DATA,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data(parser)
    parser.add_argument("--teacher", action="append", metavar="TEACHER", help=f"default: {DEFAULT_TEACHER}")
    parser.add_argument("--miner", action="append", metavar="MINER", help=f"default: {DEFAULT_MINER}")
    parser.add_argument(
        "--on-shortage",
        choices=get_args(Shortage),
        default="backfill_deeper",
        help="for pairs that the miner leaves short (default: backfill_deeper)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .parquet or .jsonl file")
    parser.add_argument("--format", choices=_FORMATS, default="records", help="columns of FILE (default: records)")
    parser.add_argument("--force", action="store_true", help="overwrite FILE")
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add what every command on data and teachers takes."""
    parser.add_argument("data", metavar="DATA", help="see below")
    parser.add_argument("--corpus", metavar="FILE", help="further documents for a file of pairs")
    parser.add_argument("--split", default="train", choices=("train", "dev", "test"), help="default: train")
    parser.add_argument("--max-length", type=int, metavar="N", help="tokens after which the teacher cuts a text")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a parameter of the miner")
    parser.add_argument("--depth", type=int, default=100, metavar="N", help="candidates a query (default: 100)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn at random (default: 0)")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="embeddings are kept below (default: results)",
    )


def mine_text(options: argparse.Namespace) -> str:
    """Mine, write the file, and return what is to be printed."""
    dataset, spec = _read(options)
    from harness.mined import mine_pool, teacher_pool
    from harness.mined_files import describe, write_mined
    from harness.mined_summary import quantiles, summary
    from harness.progress import progress_shown
    from harness.sources.kept import load_collection
    from harness.store import Store, writable
    from harness.teachers.base import Workspace

    writable(options.out.parent)
    store = Store(options.results / ".store")
    with progress_shown() as progress:
        collection = load_collection(dataset, store)
        source = teacher_pool(
            collection, spec.teacher, split=options.split, depth=spec.depth, work=Workspace(store, progress)
        )
        mined = mine_pool(source, spec, options.seed)
    written = write_mined(mined, options.out, options.format, force=options.force)
    if options.json:
        return json.dumps({"file": str(written.path), **describe(mined, options.format), "scores": quantiles(mined)})
    return summary(mined, written)


def _read(options: argparse.Namespace) -> tuple[Component, MiningSpec]:
    """Check every argument before anything is loaded; raise ConfigError that lists all mistakes."""
    from harness.mined_files import refusal

    reader = ArgumentReader()
    dataset = reader.dataset(options.data, options.corpus)
    miners = reader.miners(options.miner or [DEFAULT_MINER], options.set)
    teachers = reader.teachers(named_teachers(options, reader), options.max_length)
    for where, given in (("--miner", options.miner), ("--teacher", options.teacher)):
        if given and len(given) > 1:
            reader.add(f"{where} is given {len(given)} times; `winnow mine` takes one, `winnow audit` compares several")
    check_numbers(options, reader)
    if reason := refusal(options.out, force=options.force):
        reader.add(f"--out {reason}")
    reader.raise_if_any()
    spec = MiningSpec(teacher=teachers[0], miner=miners[0], depth=options.depth, on_shortage=options.on_shortage)
    return cast("Component", dataset), spec


def named_teachers(options: argparse.Namespace, reader: ArgumentReader) -> list[str]:
    """Return the teachers asked for: those given, else the one that a recipe fixes, else the default."""
    fixed = reader.teacher_of_recipe(options.teacher or [])
    return options.teacher or [fixed or DEFAULT_TEACHER]


def check_numbers(options: argparse.Namespace, reader: ArgumentReader) -> None:
    """Note a depth or seed that no sweep file could hold either."""
    reader.within("--depth", options.depth, MiningSpec, "depth")
    reader.within("--seed", options.seed, RunSpec, "seed")
