"""A tiny made-up collection for tests and smoke runs."""

from dataclasses import dataclass as plain_dataclass
from itertools import product
from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.collection import Collection, Judgements
from harness.fingerprint import digest
from harness.registry import DATASETS
from harness.seeding import generator
from harness.spec import STRICT

__all__ = ["Synthetic"]

FORMAT = 1
"""Raised when the same parameters would give another collection."""

_WORDS = ["".join(parts) for parts in product("bdfglmnprst", ("a", "e", "i", "o", "u"), ("lk", "nt", "rm", "sh", "v"))]
_TOPIC_WORDS = 12
_SPLITS = ("train", "train", "train", "dev", "test")
_FILLER = ("the", "of", "and", "with", "for", "in")


Words = npt.NDArray[np.str_]


@DATASETS.register("synthetic")
@dataclass(kw_only=True, config=STRICT)
class Synthetic:
    """Make up queries and documents about topics, with every awkward case that real data has.

    Each query belongs to a topic and asks for three of its words; its 1 to `positives`
    relevant documents contain them, other documents of the topic contain some of them,
    so that hard negatives exist. Of every five queries three are train, one dev and one
    test. One positive per query is labelled, its others are hidden. The first train query
    has an unjudged twin of its labelled positive (same text, another id), the last two
    distractors have the same text, every query has one document judged non-relevant, and
    with `empty_document` one document has no text.
    """

    queries: Annotated[int, Interval(ge=5, le=1000)] = 40
    documents: Annotated[int, Interval(ge=20, le=20_000)] = 240
    positives: Annotated[int, Interval(ge=1, le=4)] = 4
    topics: Annotated[int, Interval(ge=1, le=20)] = 8
    empty_document: bool = True
    seed: Annotated[int, Interval(ge=0, lt=2**31)] = 0

    def __post_init__(self) -> None:
        """Refuse a corpus too small for the positives and the awkward cases."""
        needed = self.queries * (self.positives + 1) + 4
        if self.documents < needed:
            message = f"documents must be at least queries * (positives + 1) + 4 = {needed}, got {self.documents}"
            raise ValueError(message)

    def identity(self) -> str:
        """Return a digest over the parameters."""
        values = [self.queries, self.documents, self.positives, self.topics, self.empty_document, self.seed]
        return digest([FORMAT, values])

    def load(self) -> Collection:
        """Make the collection up; the same parameters always give the same."""
        rng = generator(self.seed, "synthetic")
        vocabulary = rng.permutation(_WORDS)[: self.topics * _TOPIC_WORDS].reshape(self.topics, _TOPIC_WORDS)
        draft = _Draft([], [], {"train": [], "dev": [], "test": []})
        for query in range(self.queries):
            self._ask(query, vocabulary[query % self.topics], draft, rng)
        twin = draft.splits["train"][0][1]
        draft.documents.append(draft.documents[twin])
        draft.documents.extend([""] if self.empty_document else [])
        while len(draft.documents) < self.documents - 1:
            topic = vocabulary[len(draft.documents) % self.topics]
            draft.documents.append(_sentence(rng.choice(topic, 5, replace=False).tolist(), rng))
        draft.documents.append(draft.documents[-1])
        return self._shuffled(draft, rng)

    def _ask(self, query: int, topic: Words, draft: "_Draft", rng: np.random.Generator) -> None:
        """Add one query, its positives, and a judged document that lacks one of its words."""
        asked = rng.choice(topic, 3, replace=False)
        others = np.setdiff1d(topic, asked)
        rows = draft.splits[_SPLITS[query % len(_SPLITS)]]
        draft.queries.append(" ".join(asked.tolist()))
        for hidden in range(1 + int(rng.integers(self.positives))):
            rows.append((query, len(draft.documents), 1, hidden > 0))
            draft.documents.append(_sentence([*asked.tolist(), *rng.choice(others, 3, replace=False).tolist()], rng))
        rows.append((query, len(draft.documents), 0, False))
        draft.documents.append(_sentence([*asked.tolist()[:2], *rng.choice(others, 4, replace=False).tolist()], rng))

    def _shuffled(self, draft: "_Draft", rng: np.random.Generator) -> Collection:
        """Put the documents in random order, so that no index tells what a document is."""
        order = rng.permutation(self.documents)
        place = np.argsort(order).tolist()
        return Collection(
            name="synthetic",
            document_ids=tuple(f"d{at}" for at in range(self.documents)),
            document_texts=tuple(draft.documents[at] for at in order.tolist()),
            query_ids=tuple(f"q{at}" for at in range(self.queries)),
            query_texts=tuple(draft.queries),
            splits={
                split: Judgements.of((query, place[document], grade, hidden) for query, document, grade, hidden in rows)
                for split, rows in draft.splits.items()
            },
        )


@plain_dataclass(frozen=True)
class _Draft:
    """What has been made up so far."""

    queries: list[str]
    documents: list[str]
    splits: dict[str, list[tuple[int, int, int, bool]]]


def _sentence(words: list[str], rng: np.random.Generator) -> str:
    """Mix words with fillers in random order."""
    mixed = [*words, *rng.choice(_FILLER, 3).tolist()]
    return " ".join(rng.permutation(mixed).tolist())
