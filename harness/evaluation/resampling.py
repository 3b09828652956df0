"""Collections resampled so that test queries are known to interpolate or to extrapolate from training."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal, cast

import numpy as np
import numpy.typing as npt
from annotated_types import Interval
from pydantic import JsonValue, field_validator
from pydantic.dataclasses import dataclass

from harness.arguments import component
from harness.collection import Collection, Judgements, normalised
from harness.errors import ConfigError, DataError
from harness.fingerprint import digest
from harness.registry import BASES, DATASETS
from harness.seeding import generator
from harness.sources.base import Source
from harness.spec import STRICT, Component

__all__ = ["Encoder", "ReSTTest", "ReSTrain", "buckets", "fitted"]

FORMAT = 1
"""Raised when the same data and parameters would give another collection."""

Encoder = Literal["static", "minilm"]
"""The untrained base whose embeddings say which queries are similar."""

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_MAX_LENGTH = 128


class _Resampled:
    """A collection made of another one, which a sweep file gives like any dataset."""

    dataset: Component
    encoder: Encoder

    @field_validator("dataset", mode="before")
    @classmethod
    def _written_out(cls, value: JsonValue) -> JsonValue:
        """Read a name, or a mapping with a name, and write out the parameters that it leaves to their defaults."""
        given: Mapping[str, JsonValue] = value if isinstance(value, dict) else {"name": value}
        name, inner = given.get("name"), given.get("params")
        if not isinstance(name, str):
            message = "must be the name of a dataset, or a mapping with a name"
            raise ValueError(message)  # noqa: TRY004  # pydantic gathers ValueError alone
        params = inner if isinstance(inner, dict) else {key: each for key, each in given.items() if key != "name"}
        try:
            return cast("JsonValue", component(DATASETS, name, params).model_dump(mode="json"))
        except ConfigError as error:
            raise ValueError(str(error).replace("\n", "; ")) from error

    def _source(self) -> Source:
        return cast("Source", DATASETS.create(self.dataset.name, self.dataset.params))

    def _content(self) -> list[str]:
        """Return the identities of what is resampled, and of what says how similar two queries are."""
        encoder = cast("Source", BASES.create(self.encoder, {}))
        return [self._source().identity(), encoder.identity()]


@DATASETS.register("resttest", paper="arXiv:2204.11447")
@dataclass(kw_only=True, config=STRICT)
class ReSTTest(_Resampled):
    """Hold one bucket of similar queries out of training: its test queries extrapolate, the others interpolate.

    The queries of all splits are clustered together into `folds` buckets, by k-means on
    the embeddings of the untrained `encoder`, with `seed`. The queries of bucket `fold`,
    counted from 1, are taken out of train and dev. Of the other train queries whole ones
    are kept in random order while they fit into the number of labelled pairs of the
    smallest fold, so that every fold trains on as much. The test split stays whole; the
    splits `interpolation` and `extrapolation` divide it.
    """

    dataset: Component
    fold: Annotated[int, Interval(ge=1, le=100)]
    folds: Annotated[int, Interval(ge=2, le=100)] = 5
    encoder: Encoder = "static"
    seed: Annotated[int, Interval(ge=0, lt=2**31)] = 0

    def __post_init__(self) -> None:
        """Refuse a fold that there is not."""
        if self.fold > self.folds:
            message = f"fold must be in [1, {self.folds}], got {self.fold}"
            raise ValueError(message)

    def identity(self) -> str:
        """Return a digest of the data, the encoder, the version of k-means and the parameters."""
        version = importlib.metadata.version("scikit-learn")
        return digest(["resttest", FORMAT, *self._content(), version, self.fold, self.folds, self.seed])

    def load(self) -> Collection:
        """Read and divide the collection; raise DataError if a bucket leaves nothing to train on."""
        whole = self._source().load()
        train, test, dev = (whole.split(split) for split in ("train", "test", "dev"))
        bucket = _bucket_of_queries(whole, self.encoder, self.folds, self.seed)
        budget = min(int(train.labelled[bucket[train.query] != each].sum()) for each in range(self.folds))
        if not budget:
            message = f"{whole.name}: one of {self.folds} buckets holds all train queries with a positive; lower folds"
            raise DataError(message)
        held_out = bucket == self.fold - 1
        order = generator(self.seed, "resttest").permutation(len(whole.query_ids))
        splits = {
            "train": fitted(train, order[~held_out[order]], budget),
            "dev": _of_queries(dev, ~held_out),
            "test": test,
            "interpolation": _of_queries(test, ~held_out),
            "extrapolation": _of_queries(test, held_out),
        }
        return _with_splits(whole, f"{whole.name} fold {self.fold} of {self.folds}", splits)


@DATASETS.register("restrain", paper="arXiv:2204.11447")
@dataclass(kw_only=True, config=STRICT)
class ReSTrain(_Resampled):
    """Keep the train queries most like the test queries, or those least like them: for small test sets.

    With `side: interpolation` train keeps the `k` most similar train queries of each test
    query, with `side: extrapolation` as much of the others, least similar first. Similarity is
    the cosine of the untrained `encoder`'s embeddings. Both sides are cut, in whole
    queries, to the labelled pairs of the smaller; dev and test stay whole, and every
    test query is in the split that the side names.
    """

    dataset: Component
    side: Literal["interpolation", "extrapolation"]
    k: Annotated[int, Interval(ge=1, le=10_000)] = 5
    encoder: Encoder = "static"

    def identity(self) -> str:
        """Return a digest of the data, the encoder and the parameters."""
        return digest(["restrain", FORMAT, *self._content(), self.side, self.k])

    def load(self) -> Collection:
        """Read the collection and choose its train queries; raise DataError if one side has none."""
        whole = self._source().load()
        train, test = whole.split("train"), whole.split("test")
        candidates = np.unique(train.query[train.labelled])
        if not candidates.size or not test.queries.size:
            message = f"{whole.name} has no train queries with a positive, or no test queries"
            raise DataError(message)
        vectors = _embedded(whole, self.encoder)
        taken, nearness = _nearest(vectors[test.queries], vectors[candidates], self.k)
        sides = {
            "interpolation": candidates[taken][np.argsort(-nearness[taken], kind="stable")],
            "extrapolation": candidates[~taken][np.argsort(nearness[~taken], kind="stable")],
        }
        budget = min(int(train.labelled[np.isin(train.query, queries)].sum()) for queries in sides.values())
        if not budget:
            message = f"{whole.name}: the {self.k} nearest of each test query are all train queries; lower k"
            raise DataError(message)
        splits = {**whole.splits, "train": fitted(train, sides[self.side], budget), self.side: test}
        return _with_splits(whole, f"{whole.name} {self.side}", splits)


def buckets(vectors: FloatArray, count: int, seed: int) -> IntArray:
    """Return the bucket of each unit vector (n, d) by k-means, numbered from the largest. Shape (n,)."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the order of sums, and with it a close call, would depend on the threads
        found = KMeans(n_clusters=count, n_init=10, random_state=seed).fit_predict(vectors.astype(np.float64))
    order = np.argsort(-np.bincount(found, minlength=count), kind="stable")
    return cast("IntArray", np.argsort(order)[found])


def fitted(rows: Judgements, order: Sequence[int] | npt.NDArray[np.integer], budget: int) -> Judgements:
    """Keep whole queries, in `order`, while their labelled pairs fit into `budget`."""
    pairs = np.bincount(rows.query[rows.labelled], minlength=max(order, default=0) + 1)
    kept = np.zeros(max(int(rows.query.max(initial=0)), len(pairs)) + 1, dtype=np.bool_)
    left = budget
    for query in order:
        if 0 < pairs[query] <= left:
            kept[query] = True
            left -= int(pairs[query])
    return _of_queries(rows, kept)


def _bucket_of_queries(collection: Collection, encoder: Encoder, count: int, seed: int) -> IntArray:
    """Return the bucket of every query; equal texts are in one. Shape (n_queries,)."""
    texts = [normalised(text) for text in collection.query_texts]
    _, first, text_of = np.unique(np.array(texts, dtype=object), return_index=True, return_inverse=True)
    if len(first) < count:
        message = f"{collection.name} has {len(first)} distinct queries, too few for {count} folds"
        raise DataError(message)
    return buckets(_embedded(collection, encoder)[first], count, seed)[text_of]


def _embedded(collection: Collection, encoder: Encoder) -> FloatArray:
    """Return unit vectors of all queries by the untrained encoder. Shape (n_queries, d)."""
    from harness.teachers.dense import encode
    from harness.training.bases import Base

    texts = [normalised(text) for text in collection.query_texts]
    return encode(cast("Base", BASES.create(encoder, {})).load(max_length=_MAX_LENGTH, texts=texts), texts)


def _nearest(test: FloatArray, train: FloatArray, k: int) -> tuple[BoolArray, FloatArray]:
    """Tell which train vectors are among the `k` nearest of a test vector, and how near each is to any.

    `test` (q, d) and `train` (n, d) are unit vectors. Shapes (n,) and (n,).
    """
    from harness.teachers.search import exact_top_k

    near = exact_top_k(test, train, k, np.arange(len(train), dtype=np.int32)).document
    taken = np.zeros(len(train), dtype=np.bool_)
    taken[near[near >= 0]] = True
    return taken, exact_top_k(train, test, 1, np.arange(len(test), dtype=np.int32)).score[:, 0]


def _of_queries(rows: Judgements, kept: BoolArray) -> Judgements:
    """Keep the rows of some queries; `kept` (n_queries,) says which."""
    keep = kept[rows.query]
    return Judgements(
        query=rows.query[keep], document=rows.document[keep], grade=rows.grade[keep], hidden=rows.hidden[keep]
    )


def _with_splits(collection: Collection, name: str, splits: Mapping[str, Judgements]) -> Collection:
    return replace(collection, name=name, splits={split: rows for split, rows in splits.items() if rows.query.size})
