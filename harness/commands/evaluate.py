"""`winnow evaluate`: its arguments, and the text that it answers with."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from harness.arguments import ArgumentReader, component, typed
from harness.errors import ConfigError, WinnowError
from harness.mistakes import shown
from harness.registry import BASES, unknown_name
from harness.spec import ArmSpec, Component, DropOwn

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from sentence_transformers import SentenceTransformer

    from harness.collection import Collection
    from harness.store import Store
    from harness.training.bases import Base

__all__ = ["add_evaluate", "evaluate_text"]

AGREED = 1e-5
"""How far two evaluations may differ: both peers round to five decimals."""

_MAX_LENGTH = 128
_NAME_WIDTH = 24
_TITLES = {
    "ndcg_at_10": "nDCG@10",
    "mrr_at_10": "MRR@10",
    "recall_at_10": "R@10",
    "recall_at_100": "R@100",
    "map_at_100": "MAP@100",
    "auc": "AUC",
}
_FORMS = """
MODEL is a base of `winnow list bases`, with parameters after a colon (minilm_3l:layers=2),
or the folder of a sentence-transformers model. TASK is data as for `winnow mine`: a
folder in BEIR format, mteb:TaskName, docstrings, ... or benchmark:Name for the retrieval
tasks of a benchmark of mteb: benchmark:NanoBEIR, "benchmark:MTEB(eng, v2)".
"""


def add_evaluate(commands: "_SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add the parser of `winnow evaluate`."""
    parser = commands.add_parser(
        "evaluate",
        help="measure a model on retrieval tasks, and check the numbers against mteb or beir",
        epilog=_FORMS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="see below")
    parser.add_argument("tasks", nargs="+", metavar="TASK", help="see below")
    parser.add_argument("--split", default="test", choices=("dev", "test"), help="default: test")
    parser.add_argument(
        "--max-length", type=int, metavar="N", help=f"tokens after which a text is cut (a base: {_MAX_LENGTH})"
    )
    parser.add_argument(
        "--drop-own",
        default="auto",
        choices=get_args(DropOwn),
        help="whether a document that bears the query's id leaves its ranking (default: auto, if it says the same)",
    )
    parser.add_argument("--check", choices=("mteb", "beir"), help="evaluate a second time with this library")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="collections are kept below"
    )
    return parser


@dataclass(frozen=True)
class Row:
    """A task with its means over queries, ours and those of the library that was asked to check them."""

    task: str
    queries: int
    own_dropped: int
    scores: dict[str, float]
    checked: dict[str, float] | None = None

    @property
    def difference(self) -> float:
        """The largest difference between both evaluations; 0 where there is one only."""
        theirs = self.checked or {}
        return max((abs(self.scores[name] - value) for name, value in theirs.items()), default=0.0)


def evaluate_text(options: argparse.Namespace) -> str:
    """Evaluate, and return what is to be printed; raise WinnowError with it if the check fails."""
    model, entries = _read(options)
    from harness.evaluation.sets import expanded, set_names
    from harness.store import Store, writable

    tasks = expanded(entries)
    writable(options.results)
    store = Store(options.results / ".store")
    rows = _rows(options, model, list(zip(set_names(tasks), tasks, strict=True)), store)
    text = _as_json(rows, options) if options.json else _table(rows, options)
    if any(row.difference > AGREED for row in rows):
        raise WinnowError(f"{text}\nthe evaluations differ by more than {AGREED:g}")
    return text


def _rows(
    options: argparse.Namespace, model: Component | Path, tasks: list[tuple[str, Component]], store: "Store"
) -> list[Row]:
    from harness.evaluation.model import described, evaluate
    from harness.sources.kept import load_collection

    loaded = _loaded(model, [task for _, task in tasks], options.max_length, store)
    rows = []
    for name, task in tasks:
        collection = load_collection(task, store)
        frame = evaluate(loaded, collection, options.drop_own, (options.split,))
        row = Row(
            task=name,
            queries=len(frame),
            own_dropped=described(collection, options.drop_own)[options.split].own_dropped,
            scores={metric: float(frame[metric].mean()) for metric in _TITLES},
            checked=_checked(options, loaded, collection),
        )
        rows.append(row)
    return rows


def _checked(
    options: argparse.Namespace, model: "SentenceTransformer", collection: "Collection"
) -> dict[str, float] | None:
    if options.check == "mteb":
        from harness.evaluation.mteb_door import collection_task, evaluate_by_mteb

        return evaluate_by_mteb(model, lambda: collection_task(collection, options.split, options.drop_own))[0].scores
    if options.check == "beir":
        from harness.evaluation.beir_door import evaluate_by_beir

        return evaluate_by_beir(model, collection, options.split, options.drop_own)
    return None


def _loaded(
    model: Component | Path, tasks: Sequence[Component], max_length: int | None, store: "Store"
) -> "SentenceTransformer":
    """Load the model; a base is told every text that it will be asked to embed."""
    from harness.evaluation.model import texts_of
    from harness.teachers.dense import load_encoder

    if isinstance(model, Path):
        return load_encoder(str(model), max_length=max_length)
    base = cast("Base", BASES.create(model.name, model.params))
    return base.load(max_length=max_length or _MAX_LENGTH, texts=texts_of(tasks, store))


def _read(options: argparse.Namespace) -> tuple[Component | Path, list[Component]]:
    """Check every argument before anything is loaded; raise ConfigError that lists all mistakes."""
    reader = ArgumentReader()
    model = _model(options.model, reader)
    written = [_task(text) for text in options.tasks]
    tasks = [reader.dataset(text) for text in written]
    if options.max_length is not None:
        reader.within("--max-length", options.max_length, ArmSpec, "max_length")
    reader.raise_if_any()
    return cast("Component | Path", model), [task for task in tasks if task is not None]


def _task(text: str) -> str:
    kind, colon, name = text.partition(":")
    return f"mteb_benchmark:benchmark={name}" if colon and kind == "benchmark" else text


def _model(text: str, reader: ArgumentReader) -> Component | Path | None:
    name, _, rest = text.partition(":")
    if name in BASES:
        values = dict(pair.partition("=")[::2] for pair in rest.split(",") if rest)
        try:
            return component(BASES, name, typed(BASES[name].factory, values))
        except ConfigError as error:
            for line in str(error).splitlines():
                reader.add(f"MODEL: {line}")
    elif Path(text).is_dir():
        return Path(text)
    else:
        hint = "or the folder of a sentence-transformers model"
        reader.add(f"MODEL: {unknown_name('base', shown(text)[1:-1], BASES.names())} {hint}")
    return None


def _as_json(rows: list[Row], options: argparse.Namespace) -> str:
    content = [
        {
            "task": row.task,
            "split": options.split,
            "queries": row.queries,
            "own_dropped": row.own_dropped,
            **row.scores,
            **({"check": options.check, "checked": row.checked} if row.checked is not None else {}),
        }
        for row in rows
    ]
    return json.dumps(content, indent=1)


def _table(rows: list[Row], options: argparse.Namespace) -> str:
    """Write a line a task of at most 80 columns, the second evaluation below it."""
    lines = [f"{'task':<{_NAME_WIDTH}}{'queries':>8}" + "".join(f"{title:>8}" for title in _TITLES.values())]
    for row in rows:
        name = row.task if len(row.task) < _NAME_WIDTH else row.task[: _NAME_WIDTH - 2] + "…"
        lines.append(f"{name:<{_NAME_WIDTH}}{row.queries:>8}" + _cells(row.scores))
        if row.checked is not None:
            lines.append(f"{'  by ' + options.check:<{_NAME_WIDTH + 8}}" + _cells(row.checked).rstrip())
    dropped = sum(row.own_dropped for row in rows)
    if dropped:
        lines.append(f"the query's own document was left out of {dropped} rankings (--drop-own {options.drop_own})")
    if options.check:
        lines.append(f"largest difference to {options.check}: {max(row.difference for row in rows):.1e}")
    return "\n".join(lines)


def _cells(scores: dict[str, float]) -> str:
    return "".join(f"{scores[name]:>8.5f}" if name in scores else " " * 8 for name in _TITLES)
