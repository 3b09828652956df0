"""Three lines from data to negatives: load, pool, mine."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from harness.arguments import ArgumentReader, component, short_label
from harness.collection import Collection, hide_positives
from harness.errors import ConfigError
from harness.mined import Mined, TeacherPool, mine_pool, teacher_pool
from harness.mistakes import check
from harness.registry import MINERS
from harness.seeding import generator
from harness.sources.kept import load_collection
from harness.sources.pairs import collect
from harness.sources.problems import Problems, shown
from harness.sources.row_files import Row, read_rows
from harness.spec import Component, MiningSpec, Shortage
from harness.store import Store
from harness.teachers.base import Workspace

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["CACHE", "Table", "audit_frame", "load", "mine", "mining_spec", "pool", "score_figure"]

CACHE = Path("results/.store")
"""Where the commands keep embeddings and pools too."""


class Table(Protocol):
    """A pandas frame, a Hugging Face dataset, or anything else that has columns by name."""

    def __getitem__(self, name: str, /) -> Iterable[object]:
        """Return a column."""
        ...


Data = str | Path | Mapping[str, Sequence[object]] | Sequence[tuple[str, str]] | Table
"""What `load` takes: a name or path, columns by name, a list of (query, positive), a frame, a Dataset."""

Corpus = str | Path | Mapping[str, Sequence[object]] | Sequence[str] | Table
"""Further documents: a file, columns by name, a list of texts, a frame, a Dataset."""


def load(data: Data, corpus: Corpus | None = None, *, hide: int | None = None, cache: str | Path = CACHE) -> Collection:
    """Load a collection of queries, documents and judgements.

    `data` is what `winnow mine` calls DATA (a folder in BEIR format, a file of pairs,
    `docstrings`, `synthetic`, `mteb:TaskName`), or pairs in memory: a list of (query,
    positive), or a frame, dataset or mapping with columns as the source `pairs` has
    them. `corpus` adds documents that are no query's positive. `hide` is a seed: each
    train query keeps one positive and its others are hidden, so that contamination can
    be measured.

    >>> import harness as winnow
    >>> pairs = [("capital of France", "Paris is the capital."), ("largest planet", "Jupiter.")]
    >>> collection = winnow.load(pairs, corpus=["Lyon is a city in France.", "Saturn has rings."])
    >>> len(collection.document_texts), len(collection.split("train").queries)
    (4, 2)
    """
    if isinstance(data, str | Path):
        collection = _named(str(data), corpus, Store(Path(cache)))
    else:
        problems = Problems("data")
        further = None if corpus is None else _rows(corpus, ("text",), problems)
        collection = collect(_rows(data, ("query", "positive"), problems), further, problems, names=("pairs", "corpus"))
    if hide is None:
        return collection
    train = hide_positives(collection.split("train"), generator(hide, "hide_positives"))
    return replace(collection, splits={**collection.splits, "train": train})


def pool(
    collection: Collection,
    teacher: str = "minilm",
    *,
    split: str = "train",
    depth: int = 100,
    cache: str | Path = CACHE,
) -> TeacherPool:
    """Have a teacher list the `depth` best documents for each labelled pair of a split.

    `teacher` is written as for `winnow mine`: `bm25`, `minilm:max_length=64`, or the
    path of a sentence-transformers folder. Embeddings and pools are kept under `cache`,
    so that asking again costs nothing.

    >>> import harness as winnow
    >>> pool = winnow.pool(winnow.load("synthetic"), teacher="bm25")
    >>> len(pool.pool.positive)
    24
    """
    reader = ArgumentReader()
    teachers = reader.teachers([teacher])
    if depth < 1:
        reader.add(f"depth must be at least 1, got {depth}")
    reader.raise_if_any()
    return teacher_pool(collection, teachers[0], split=split, depth=depth, work=Workspace(Store(Path(cache))))


def mine(
    pool: TeacherPool,
    miner: str = "topk_percpos",
    *,
    on_shortage: Shortage = "backfill_deeper",
    seed: int = 0,
    **parameters: object,
) -> Mined:
    """Choose negatives from a pool; `winnow.listing("miners")` names the miners and their parameters.

    >>> import harness as winnow
    >>> pool = winnow.pool(winnow.load("synthetic"), teacher="bm25")
    >>> mined = winnow.mine(pool, "topk_percpos", share=0.9, k=2)
    >>> mined.negatives.score.shape
    (24, 2)
    """
    chosen = _miner(miner, parameters)
    return mine_pool(pool, mining_spec(pool.teacher, chosen, pool.depth, on_shortage), seed)


def mining_spec(teacher: Component, miner: Component, depth: int, on_shortage: str) -> MiningSpec:
    """Return the spec; raise ConfigError that lists what is out of its range."""
    values = {"teacher": teacher.model_dump(), "miner": miner.model_dump(), "depth": depth, "on_shortage": on_shortage}
    spec, mistakes = check(MiningSpec, values)
    if spec is None:
        raise ConfigError("\n".join(map(str, mistakes)))
    return spec


def audit_frame(source: TeacherPool, miners: Sequence[str], seed: int) -> "pd.DataFrame":
    """Return what `TeacherPool.audit` promises."""
    import pandas as pd

    lines = []
    for text in miners:
        miner = _miner(text, {})
        mined = mine_pool(source, mining_spec(source.teacher, miner, source.depth, "keep"), seed)
        lines.append(
            {
                "miner": short_label(MINERS, miner),
                "contamination": mined.audit.contamination if mined.hides else np.nan,
                "hardness": np.nan if mined.audit.hardness is None else mined.audit.hardness,
                "full": mined.yields.full,
                "partial": mined.yields.partial,
                "empty": mined.yields.empty,
            }
        )
    return pd.DataFrame(lines).set_index("miner")


def score_figure(mined: Mined) -> "Figure":
    """Return what `Mined.figure` promises."""
    from harness.reporting.figures import draw_panels
    from harness.reporting.points import Panel, densities, grouped

    audit = mined.audit
    caption = f"contamination {audit.contamination:.1%}" if mined.hides else ""
    panel = Panel(mined.miner_label, np.asarray(audit.histograms.edges), densities(audit.histograms), caption)
    return draw_panels(grouped(mined.source.collection.name, mined.teacher_label, [panel])[0])


def _miner(text: str, parameters: Mapping[str, object]) -> Component:
    reader = ArgumentReader()
    found = reader.miners([text])
    reader.raise_if_any()
    given = text.partition(":")[2]
    if not parameters:
        return found[0]
    if given:
        raise ConfigError(f"give the parameters of {shown(text)} in one way: in the text, or by keyword")
    return component(MINERS, found[0].name, {**_set_by_recipe(found[0], text), **parameters})


def _set_by_recipe(found: Component, text: str) -> dict[str, object]:
    return {} if text == found.name else dict(found.params)


def _named(data: str, corpus: Corpus | None, store: Store) -> Collection:
    if corpus is not None and not isinstance(corpus, str | Path):
        raise ConfigError(f"the corpus of {shown(data)} must be a file too")
    reader = ArgumentReader()
    dataset = reader.dataset(data, None if corpus is None else str(corpus))
    reader.raise_if_any()
    return load_collection(cast("Component", dataset), store)


def _rows(data: object, columns: tuple[str, ...], problems: Problems) -> list[Row]:
    """Number the rows of a table from 0, or those of a plain list, which holds `columns`; a path is read."""
    if isinstance(data, str | Path):
        return list(read_rows(Path(data), problems))
    if isinstance(data, Mapping):
        data = _transposed(data)
    elif hasattr(data, "to_dict") and hasattr(data, "columns"):  # a pandas frame
        data = data.to_dict("records")
    if not isinstance(data, Iterable):
        kind = type(data).__name__
        raise ConfigError(f"expected a list, a mapping of columns, a frame or a dataset, got a value of type {kind}")
    return [(number, _row(number, item, columns)) for number, item in enumerate(data)]


def _row(number: int, item: object, columns: tuple[str, ...]) -> Mapping[str, object]:
    if isinstance(item, Mapping):
        return item
    values = [item] if len(columns) == 1 else item
    if isinstance(values, list | tuple) and len(values) == len(columns):
        return dict(zip(columns, values, strict=True))
    raise ConfigError(f"item {number}: expected ({', '.join(columns)}), got {shown(item)}")


def _transposed(columns: Mapping[str, Sequence[object]]) -> list[Mapping[str, object]]:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ConfigError(f"the columns differ in length: {', '.join(f'{name} {n}' for name, n in lengths.items())}")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
