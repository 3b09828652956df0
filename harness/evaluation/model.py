"""Evaluate a model on its run's own dataset and on further ones."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.collection import Collection
from harness.errors import DataError
from harness.evaluation.own_document import own_documents
from harness.evaluation.rankings import evaluate_split
from harness.evaluation.sets import set_names, split_label
from harness.mining.base import PADDING
from harness.record import METRICS, EvaluatedSplit
from harness.sources.kept import load_collection
from harness.spec import Component, DropOwn, RunSpec
from harness.store import Store
from harness.teachers.dense import encode, prompt_of

if TYPE_CHECKING:
    import pandas as pd
    from sentence_transformers import SentenceTransformer

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
    """One row per query with the columns of `record.PER_QUERY_COLUMNS`, and what each split was measured on."""

    per_query: "pd.DataFrame"
    splits: dict[str, EvaluatedSplit]


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

    present = [split for split in splits if collection.split(split).queries.size]
    if not present:
        message = f"{collection.name} has no {' or '.join(splits)} queries to evaluate"
        raise DataError(message)
    reader = document_model or model
    documents = encode(reader, collection.document_texts, prompt_of(reader, "document"), _ENCODE_BATCH)
    frames = []
    for split in present:
        asked = [collection.query_texts[query] for query in collection.split(split).queries]
        vectors = encode(model, asked, prompt_of(model, "query"), _ENCODE_BATCH)
        frames.append(evaluate_split(collection, split, vectors, documents, drop_own=drop_own))
    return pd.concat(frames, ignore_index=True)


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

    frames, splits = [evaluate(model, own, spec.drop_own, document_model=document_model)], described(own, spec.drop_own)
    for name, dataset in zip(set_names(spec.evaluate), spec.evaluate, strict=True):
        collection = load_collection(dataset, store)
        frame = evaluate(model, collection, spec.drop_own, document_model=document_model)
        frame["split"] = [split_label(split, name) for split in frame["split"]]
        frames.append(frame)
        here = described(collection, spec.drop_own)
        splits |= {split_label(split, name): each for split, each in here.items()}
    return Evaluation(pd.concat(frames, ignore_index=True), splits)


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
