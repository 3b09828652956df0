"""Near-identical texts, found exactly: every pair at or above a Jaccard similarity, and groups of linked items."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

__all__ = ["components", "jaccard", "similar_pairs"]

_SHARED = 6
"""How many rare tokens a candidate must share; more make fewer candidates, but longer lists to count in."""


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """Return the share of common tokens among all; 0 if there are none."""
    union = len(left | right)
    return len(left & right) / union if union else 0.0


def similar_pairs(sets: Sequence[frozenset[str]], threshold: float) -> list[tuple[int, int]]:
    """Return all pairs (i, j), i < j, whose Jaccard similarity is at least `threshold`, sorted.

    Exact, without comparing all: with tokens ordered from rare to frequent, two sets of
    n and m tokens that share at least `threshold` * max(n, m) of them share at least s
    among the first n - ceil(threshold * n) + s of the one and likewise of the other
    (prefix filtering; Wang, Li and Feng, SIGMOD 2012). Empty sets are similar to none.
    """
    frequency = Counter(token for tokens in sets for token in tokens)
    index: defaultdict[str, list[int]] = defaultdict(list)
    pairs: list[tuple[int, int]] = []
    for here in sorted(range(len(sets)), key=lambda at: len(sets[at])):
        tokens = sets[here]
        # 1e-9 keeps rounding from shortening the prefix; a longer one only costs time
        least = math.ceil(threshold * len(tokens) - 1e-9)
        ordered = sorted(tokens, key=lambda token: (frequency[token], token))
        prefix = ordered[: len(tokens) - least + _SHARED]
        shared: Counter[int] = Counter()
        for token in prefix:
            shared.update(index[token])
            index[token].append(here)
        needed = min(_SHARED, least)
        for there, count in shared.items():
            enough = count >= needed and len(sets[there]) >= least
            if enough and jaccard(tokens, sets[there]) >= threshold:
                pairs.append((min(here, there), max(here, there)))
    return sorted(pairs)


def components(count: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """Return for each of `count` items the smallest item that it is linked to, directly or not."""
    root = list(range(count))

    def find(item: int) -> int:
        while root[item] != item:
            root[item] = root[root[item]]
            item = root[item]
        return item

    for left, right in links:
        low, high = sorted((find(left), find(right)))
        root[high] = low
    return [find(item) for item in range(count)]
