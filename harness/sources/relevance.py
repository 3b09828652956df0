"""Which documents answer which queries, derived from docstrings."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from harness.collection import normalised
from harness.sources.docstring_reader import WORD, Docstring
from harness.sources.near_identical import components, similar_pairs

__all__ = ["Relevance", "content_words", "derive_relevance"]

_LEAST_CONTENT_WORDS = 3
_SHORTEST_PLURAL = 4

# Neither "and" nor "or": they tell two functions apart.
_STOP_WORDS = frozenset(
    {"a", "an", "are", "as", "at", "be", "by", "for", "from", "if", "in", "into", "is", "it", "its"}
)
_STOP_WORDS |= {"of", "on", "over", "that", "the", "this", "to", "with"}


@dataclass(frozen=True)
class Relevance:
    """Distinct summaries as queries, distinct bodies as documents, and what answers what.

    `queries` and `documents` hold the first docstring with each summary and each body;
    `relevant` has the ascending document indices of each query. `group` has one entry
    per document: documents that answer a common query or have near-identical bodies are
    in one group, as are those linked by others.
    """

    queries: tuple[Docstring, ...]
    documents: tuple[Docstring, ...]
    relevant: tuple[tuple[int, ...], ...]
    group: tuple[int, ...]


def content_words(text: str) -> tuple[str, ...]:
    """Return the words of a text in order, without case, stop words and plural endings."""
    return tuple(_singular(word) for word in WORD.findall(text.casefold()) if word not in _STOP_WORDS)


def _singular(word: str) -> str:
    plural = len(word) >= _SHORTEST_PLURAL and word.endswith("s") and not word.endswith("ss")
    return word[:-1] if plural else word


def derive_relevance(docstrings: Sequence[Docstring], jaccard: float) -> Relevance:
    """Derive queries, documents and relevance from docstrings; `jaccard` is when bodies are near-identical.

    The document of docstring t answers the query of docstring s if

    (a) their summaries are equal but for case and white space, or have the same content
        words in the same order; or
    (b) they document the same-named function, method or class, and t says all that the
        query asks for: each of its content words is in t's summary; or, where the bodies
        of s and t are near-identical, in t's summary or body.

    Content words are compared only if there are at least three of them.

    Near-identity and (a) are symmetric. (b) is not, on purpose: what is said of one
    special case answers a general query, the reverse does not hold. Neither is followed
    further: what answers t's query need not answer that of s.
    """
    document_of, documents = _distinct([normalised(each.body) for each in docstrings])
    query_of, queries = _distinct([normalised(each.summary) for each in docstrings])
    tokens = [frozenset(WORD.findall(normalised(docstrings[first].body))) for first in documents]
    similar = similar_pairs(tokens, jaccard)
    relevant: list[set[int]] = [set() for _ in queries]
    for query, document in zip(query_of, document_of, strict=True):
        relevant[query].add(document)
    near = {*similar, *((right, left) for left, right in similar)}
    for here, there in _answered(docstrings, document_of, near):
        relevant[query_of[here]].add(document_of[there])
    links = [(min(found), document) for found in relevant for document in found]
    return Relevance(
        queries=tuple(docstrings[first] for first in queries),
        documents=tuple(docstrings[first] for first in documents),
        relevant=tuple(tuple(sorted(found)) for found in relevant),
        group=tuple(components(len(documents), [*links, *similar])),
    )


def _distinct(texts: Sequence[str]) -> tuple[list[int], list[int]]:
    """Number the distinct texts; return the number of each text, and where each number first occurs."""
    numbers: dict[str, int] = {}
    of = [numbers.setdefault(text, len(numbers)) for text in texts]
    firsts = [0] * len(numbers)
    for at in range(len(texts) - 1, -1, -1):
        firsts[of[at]] = at
    return of, firsts


def _answered(
    docstrings: Sequence[Docstring], document_of: Sequence[int], near: set[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Yield the pairs (s, t) of docstrings that are compared by content words and in which t answers s."""
    ordered = [content_words(each.summary) for each in docstrings]
    words = [frozenset(each) for each in ordered]

    def says_all(here: int, there: int) -> bool:
        missing = words[here] - words[there]
        alike = (document_of[here], document_of[there]) in near
        return not missing or (alike and missing <= set(content_words(docstrings[there].body)))

    able = [at for at, each in enumerate(words) if len(each) >= _LEAST_CONTENT_WORDS]
    for group in _grouped(able, [ordered[at] for at in able]):
        yield from ((here, there) for here in group for there in group)
    for group in _grouped(able, [docstrings[at].name for at in able]):
        yield from ((here, there) for here in group for there in group if says_all(here, there))


def _grouped(items: Sequence[int], keys: Sequence[Hashable]) -> list[list[int]]:
    """Put the items with equal keys together."""
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for item, key in zip(items, keys, strict=True):
        groups[key].append(item)
    return list(groups.values())
