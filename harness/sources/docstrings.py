"""The docstrings of installed scientific packages as a retrieval collection."""

import hashlib
import importlib.metadata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Annotated

from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.collection import Collection, Judgements
from harness.errors import DataError
from harness.fingerprint import digest
from harness.registry import DATASETS
from harness.sources.docstring_reader import Docstring, package_folder, read_package
from harness.sources.relevance import Relevance, derive_relevance
from harness.spec import STRICT

__all__ = ["PACKAGES", "Docstrings"]

PACKAGES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "pandas": "pandas",
    "sklearn": "scikit-learn",
    "matplotlib": "matplotlib",
}
"""What is read: import name and distribution name."""

FORMAT = 1
"""Raised when the same packages and parameters would give another collection."""

_LARGEST_HELD_OUT = 20
"""Groups of more documents than this are trained on: held out, one cluster of siblings would count as many queries."""


@DATASETS.register("docstrings")
@dataclass(kw_only=True, config=STRICT)
class Docstrings:
    """Take summary lines as queries and bodies as documents, read from what is installed.

    Source files of numpy, scipy, pandas, scikit-learn and matplotlib are parsed, never
    imported. What is relevant to a query is derived as `derive_relevance` says, with
    `jaccard` as the threshold of near-identical bodies. One relevant document per query
    is labelled, every other one is a hidden positive, in all splits.

    No group of documents (answers to a common query, near-identical bodies, and what
    these link) straddles splits. Groups of at most 20 documents fill test, then dev, in
    the order of a hash of their queries; train takes from the rest first the queries
    that have hidden positives, then others, each in the order of their hash: a natural
    share of hidden positives would be too low to study. The corpus holds the
    documents relevant to any chosen query, and others in the order of their hash up to
    `documents` in all. `seed` salts every hash.
    """

    train_pairs: Annotated[int, Interval(ge=1, le=100_000)] = 2000
    dev_queries: Annotated[int, Interval(ge=0, le=100_000)] = 300
    test_queries: Annotated[int, Interval(ge=1, le=100_000)] = 400
    documents: Annotated[int, Interval(ge=1, le=1_000_000)] = 5000
    jaccard: Annotated[float, Interval(ge=0.5, le=1.0)] = 0.7
    seed: Annotated[int, Interval(ge=0, lt=2**31)] = 0

    def identity(self) -> str:
        """Return a digest over the installed versions, the parameters and the format; reads no docstring."""
        sizes = [self.train_pairs, self.dev_queries, self.test_queries, self.documents]
        versions = {package: _version(package, distribution) for package, distribution in PACKAGES.items()}
        return digest([FORMAT, versions, sizes, self.jaccard, self.seed])

    def load(self) -> Collection:
        """Read and divide the docstrings; raise DataError if a package is missing or there are too few queries."""
        folders = [package_folder(package) for package in PACKAGES]
        docstrings = list(chain.from_iterable(read_package(folder) for folder in folders))
        relevance = derive_relevance(docstrings, self.jaccard)
        return self._collect(relevance, self._split(relevance))

    def _hash(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.seed}\x1f{text}".encode("utf-8", "surrogatepass")).digest()

    def _split(self, relevance: Relevance) -> dict[str, list[int]]:
        """Choose the queries of each split; raise DataError if there are too few."""
        order = sorted(range(len(relevance.queries)), key=lambda query: self._hash(relevance.queries[query].summary))
        size = Counter(relevance.group)
        members: defaultdict[int, list[int]] = defaultdict(list)
        for query in order:
            members[relevance.group[relevance.relevant[query][0]]].append(query)
        small = iter([group for group in members if size[group] <= _LARGEST_HELD_OUT])
        test = _fill(self.test_queries, small, members)
        dev = _fill(self.dev_queries, small, members)
        free = {*small, *(group for group in members if size[group] > _LARGEST_HELD_OUT)}
        rest = [query for query in order if relevance.group[relevance.relevant[query][0]] in free]
        rest.sort(key=lambda query: len(relevance.relevant[query]) == 1)
        self._require(train=len(rest), dev=len(dev), test=len(test))
        return {"train": rest[: self.train_pairs], "dev": dev, "test": test}

    def _require(self, *, train: int, dev: int, test: int) -> None:
        """Raise DataError if a split has fewer queries to choose from than were asked for."""
        wanted = {"train_pairs": self.train_pairs, "dev_queries": self.dev_queries, "test_queries": self.test_queries}
        short = [
            f"{name}={wanted[name]}, found {found}"
            for name, found in zip(wanted, (train, dev, test), strict=True)
            if found < wanted[name]
        ]
        if short:
            message = f"docstrings: the installed packages have too few queries: {'; '.join(short)}"
            raise DataError(message)

    def _collect(self, relevance: Relevance, splits: dict[str, list[int]]) -> Collection:
        """Put the chosen queries, what answers them and the distractors together, in the order they were read."""
        queries = sorted(chain.from_iterable(splits.values()))
        needed = {document for query in queries for document in relevance.relevant[query]}
        others = sorted(
            (document for document in range(len(relevance.documents)) if document not in needed),
            key=lambda document: self._hash(relevance.documents[document].body),
        )
        documents = sorted([*needed, *others[: max(0, self.documents - len(needed))]])
        place = {document: index for index, document in enumerate(documents)}
        at = {query: index for index, query in enumerate(queries)}
        rows = {
            split: Judgements.of(row for query in chosen for row in self._judge(relevance, query, at[query], place))
            for split, chosen in splits.items()
        }
        ids = _ids(relevance.documents)
        query_ids = _ids(relevance.queries)
        return Collection(
            name="docstrings",
            document_ids=tuple(ids[document] for document in documents),
            document_texts=tuple(relevance.documents[document].body for document in documents),
            # a query and a document of one id would be taken for the same text by BEIR's evaluation
            query_ids=tuple(f"q:{query_ids[query]}" for query in queries),
            query_texts=tuple(relevance.queries[query].summary for query in queries),
            splits=rows,
        )

    def _judge(
        self, relevance: Relevance, query: int, at: int, place: Mapping[int, int]
    ) -> Iterator[tuple[int, int, int, bool]]:
        """Yield the judgements of a query; the relevant document with the lowest hash is labelled."""
        summary = relevance.queries[query].summary
        relevant = relevance.relevant[query]
        labelled = min(relevant, key=lambda each: self._hash(f"{summary}\x1f{relevance.documents[each].body}"))
        return ((at, place[each], 1, each != labelled) for each in relevant)


def _fill(count: int, groups: Iterator[int], members: Mapping[int, list[int]]) -> list[int]:
    """Take whole groups until `count` queries are there; of the last one only as many as needed."""
    chosen: list[int] = []
    while len(chosen) < count and (group := next(groups, None)) is not None:
        chosen.extend(members[group])
    return chosen[:count]


def _version(package: str, distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError as error:
        message = f"the package '{package}' ({distribution}) is not installed; 'docstrings' reads its docstrings"
        raise DataError(message) from error


def _ids(docstrings: Sequence[Docstring]) -> list[str]:
    """Name each docstring by its place; where a place repeats, number the later ones from 2."""
    seen: Counter[str] = Counter()
    names: list[str] = []
    for each in docstrings:
        seen[each.place] += 1
        again = seen[each.place] > 1
        names.append(f"{each.place}#{seen[each.place]}" if again else each.place)
    return names
