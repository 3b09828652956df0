"""Evaluate a model on its run's own dataset and on further ones."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.collection import Collection
from harness.errors import DataError
from harness.evaluation.own_document import own_documents
from harness.evaluation.rankings import evaluate_split, ranked_split
from harness.evaluation.sets import set_names, split_label
from harness.mining.base import PADDING
from harness.record import METRICS, EvaluatedSplit
from harness.run_tables import Ranking
from harness.sources.kept import load_collection
from harness.spec import Component, DropOwn, RunSpec
from harness.store import Store
from harness.teachers.dense import encode, prompt_of

if TYPE_CHECKING:
    import pandas as pd
    from sentence_transformers import SentenceTransformer

    from harness.mining.base import FloatArray

__all__ = [
    "SPLITS",
    "Evaluation",
    "all_texts",
    "described",
    "dev_means",
    "evaluate",
    "evaluate_run",
    "means",
    "texts_of",
]

SPLITS = ("dev", "test")
_ENCODE_BATCH = 256


@dataclass(frozen=True)
class Evaluation:
    """One row per query with the columns of `record.PER_QUERY_COLUMNS`, and what each split was measured on.

    `rankings` hold the first documents of those queries, a ranking for each split.
    """

    per_query: "pd.DataFrame"
    splits: dict[str, EvaluatedSplit]
    rankings: tuple[Ranking, ...]


def evaluate(
    model: "SentenceTransformer",
    collection: Collection,
    drop_own: DropOwn = "auto",
    splits: Sequence[str] = SPLITS,
    *,
    document_model: "SentenceTransformer | None" = None,
) -> "pd.DataFrame":
    """Rank the corpus for every query of the splits, by default dev and test; one row per query.

    Documents are embedded by `document_model`, by default by `model` as the queries are.
    Raises NumericError that names the text if an embedding is not finite, DataError if
    there is nothing to evaluate.
    """
    import pandas as pd

    embedded = _embedded(model, collection, splits, document_model)
    frames = [evaluate_split(collection, *each, drop_own=drop_own) for each in embedded]
    return pd.concat(frames, ignore_index=True)


def _embedded(
    model: "SentenceTransformer",
    collection: Collection,
    splits: Sequence[str],
    document_model: "SentenceTransformer | None",
) -> "Iterator[tuple[str, FloatArray, FloatArray]]":
    """Yield each split that has queries, with the vectors of those (q, d) and of the corpus (n, d)."""
    present = [split for split in splits if collection.split(split).queries.size]
    if not present:
        message = f"{collection.name} has no {' or '.join(splits)} queries to evaluate"
        raise DataError(message)
    reader = document_model or model
    documents = encode(reader, collection.document_texts, prompt_of(reader, "document"), _ENCODE_BATCH)
    for split in present:
        asked = [collection.query_texts[query] for query in collection.split(split).queries]
        vectors = encode(model, asked, prompt_of(model, "query"), _ENCODE_BATCH)
        yield split, vectors, documents


def means(per_query: "pd.DataFrame") -> dict[str, float]:
    """Return the mean of every metric over the queries of one split."""
    return {metric: float(per_query[metric].mean()) for metric in METRICS}


def dev_means(collection: Collection, drop_own: DropOwn, model: "SentenceTransformer") -> dict[str, float]:
    """Return the mean dev metrics of a model that is being trained; no other split is read."""
    return means(evaluate(model, collection, drop_own, ("dev",)))


def evaluate_run(
    model: "SentenceTransformer",
    spec: RunSpec,
    own: Collection,
    store: Store,
    document_model: "SentenceTransformer | None" = None,
) -> Evaluation:
    """Evaluate on the run's own collection, then on one further set after the other."""
    import pandas as pd

    def ranked(collection: Collection) -> "Iterator[tuple[pd.DataFrame, Ranking]]":
        for each in _embedded(model, collection, SPLITS, document_model):
            yield ranked_split(collection, *each, drop_own=spec.drop_own)

    found, splits = list(ranked(own)), described(own, spec.drop_own)
    for name, dataset in zip(set_names(spec.evaluate), spec.evaluate, strict=True):
        collection = load_collection(dataset, store)
        for frame, ranking in ranked(collection):
            label = split_label(ranking.split, name)
            found.append((frame.assign(split=label), replace(ranking, split=label)))
        here = described(collection, spec.drop_own)
        splits |= {split_label(split, name): each for split, each in here.items()}
    frames, rankings = zip(*found, strict=True)
    return Evaluation(pd.concat(frames, ignore_index=True), splits, rankings)


def described(collection: Collection, drop_own: DropOwn) -> dict[str, EvaluatedSplit]:
    """Say of each split with queries what it is measured on."""
    return {
        split: EvaluatedSplit(
            collection=collection.name,
            digest=collection.digest,
            own_dropped=int((own_documents(collection, split, drop_own) != PADDING).sum()),
        )
        for split in SPLITS
        if collection.split(split).queries.size
    }


def all_texts(spec: RunSpec, own: Collection, store: Store) -> Iterator[str]:
    """Yield every text that the run's model will be asked to embed; a further set is read when its turn comes."""
    yield from own.document_texts
    yield from own.query_texts
    yield from texts_of(spec.evaluate, store)


def texts_of(datasets: Iterable[Component], store: Store) -> Iterator[str]:
    """Yield every text of some datasets, one dataset after the other."""
    for dataset in datasets:
        collection = load_collection(dataset, store)
        yield from collection.document_texts
        yield from collection.query_texts
