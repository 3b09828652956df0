"""`winnow leakage`: its arguments, and the text that it answers with."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from harness.arguments import ArgumentReader, short_label
from harness.evaluation.leakage import NEAR, Leakage, leakage
from harness.registry import DATASETS
from harness.spec import Component

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from harness.collection import Collection

__all__ = ["add_leakage", "leakage_text"]

_EVALUATED = ("dev", "test")
_WIDTH = 80
_LONGEST_NAME = 60

_DATA = """
DATA is written as for `winnow mine`. The train split of each is compared with the
dev and test splits of every one that is given, its own included.
"""
_KEY = (
    "shared    a relevant document is a train positive, by its text or its id",
    "near doc  ... or near-identical to one",
    "same      the query has the text of a train query",
    "near      ... or is near-identical to one",
    "leaked    any of these; the other queries are clean",
)


def add_leakage(commands: "_SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add the parser of `winnow leakage`."""
    parser = commands.add_parser(
        "leakage",
        help="count what dev and test queries share with training",
        epilog=_DATA,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", nargs="+", metavar="DATA", help="see below")
    parser.add_argument(
        "--threshold",
        type=float,
        default=NEAR,
        metavar="J",
        help=f"Jaccard similarity of words from which texts are near-identical (default: {NEAR})",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="a .parquet file, for the leaks of each query")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="collections are kept below (default: results)",
    )
    return parser


def leakage_text(options: argparse.Namespace) -> str:
    """Compare the splits, write the table if one is asked for, and return what is to be printed."""
    datasets = _read(options)
    from harness.sources.kept import load_collection
    from harness.store import Store

    store = Store(options.results / ".store")
    collections = {short_label(DATASETS, each): load_collection(each, store) for each in datasets}
    names = _names(collections)
    found = {
        (names[source], names[target], split): leakage(trained, evaluated, split, threshold=options.threshold)
        for target, evaluated in collections.items()
        for source, trained in collections.items()
        for split in _EVALUATED
        if trained.split("train").labelled.any() and evaluated.split(split).queries.size
    }
    if options.out is not None:
        _write(found, options.out)
    if options.json:
        return json.dumps([_counted(*key, each) for key, each in found.items()], indent=1)
    return _table(found, options.threshold)


def _read(options: argparse.Namespace) -> list[Component]:
    """Check every argument before anything is loaded; raise ConfigError that lists all mistakes."""
    reader = ArgumentReader()
    datasets = [each for each in map(reader.dataset, options.data) if each is not None]
    labels = [short_label(DATASETS, each) for each in datasets]
    for label in sorted({label for label in labels if labels.count(label) > 1}):
        reader.add(f"DATA: {label} is given twice")
    if not 0.0 < options.threshold <= 1.0:
        reader.add(f"--threshold must be in (0, 1], got {options.threshold}")
    if options.out is not None and options.out.suffix != ".parquet":
        reader.add(f"--out must be a .parquet file, got {str(options.out)!r}")
    reader.raise_if_any()
    return datasets


def _names(collections: "dict[str, Collection]") -> dict[str, str]:
    """Name each dataset by its collection, or in full where two collections have one name."""
    short = [collection.name for collection in collections.values()]
    return {
        label: collection.name if short.count(collection.name) == 1 else label[-_LONGEST_NAME:]
        for label, collection in collections.items()
    }


def _counted(source: str, target: str, split: str, found: Leakage) -> dict[str, object]:
    return {
        "training": source,
        "evaluation": target,
        "split": split,
        "threshold": found.threshold,
        "train_queries": found.train_queries,
        "train_positives": found.train_positives,
        "queries": len(found.query_ids),
        "relevant": int(found.relevant.sum()),
        "shared_relevant": int(found.shared.sum()),
        "near_relevant": int(found.near.sum()),
        **{kind: int(marks.sum()) for kind, marks in found.kinds.items()},
    }


def _table(found: dict[tuple[str, str, str], Leakage], threshold: float) -> str:
    """Return a block of counts per pair of splits, in lines of at most 80 columns."""
    if not found:
        return "nothing to compare: there is no train split with positives, or no dev or test split"
    titles = ("queries", "relevant", "shared", "near doc", "same", "near", "leaked", "clean")
    lines = ["".join([" " * 8, *(f"{title:>9}" for title in titles)])]
    pair = ("", "")
    for (source, target, split), each in found.items():
        if pair != (source, target):
            pair = (source, target)
            against = f"{target} against its own train split" if source == target else f"{target} against {source}"
            counts = f" ({each.train_queries:,} queries, {each.train_positives:,} positives)"
            lines.append(against[: _WIDTH - len(counts)] + counts)
        lines.append(_line(split, each))
    return "\n".join([*lines, "", *_KEY, f"Near-identical: Jaccard similarity of words at least {threshold:g}."])


def _line(split: str, found: Leakage) -> str:
    kinds = {kind: int(marks.sum()) for kind, marks in found.kinds.items()}
    queries = len(found.query_ids)
    numbers = (queries, int(found.relevant.sum()), *kinds.values(), queries - kinds["leaked"])
    return "".join([f"  {split:<6}", *(f"{number:>9,}" for number in numbers)])


def _write(found: dict[tuple[str, str, str], Leakage], path: Path) -> None:
    """Write one row per query of every comparison."""
    import io

    import pandas as pd

    from harness.store import write_file

    frames = [
        each.frame().assign(training=source, evaluation=target, split=split)
        for (source, target, split), each in found.items()
    ]
    content = io.BytesIO()
    (pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()).to_parquet(content, index=False)
    write_file(path, content.getvalue())
