"""Several teachers: mixes of what they mined, and merged pools, against plain loops."""

import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.mining.base import PADDING, Negatives, Pool
from harness.mining.consensus import among, cross_sample, intra_sample, merged, relisted
from harness.mining.margin import TopKPercPos
from harness.mining.rank import TopK
from tests.mining.pools import chosen, frozen, one_row, pools

BRIEF = settings(max_examples=60, deadline=None)
SEEDS = st.integers(0, 2**32)
NORMALISATIONS = ("rank", "min_max", "z_score")


def another_teacher(pool: Pool, seed: int, depth: int) -> Pool:
    """Score the same pairs and corpus otherwise; a list keeps positives and padding apart as before."""
    rng = np.random.default_rng(seed)
    table = rng.integers(-4, 5, (int(pool.query.max(initial=0)) + 1, pool.n_documents)) / 4
    score = table[pool.query].astype(np.float32)
    order = np.argsort(-score, axis=1, kind="stable")[:, :depth].astype(np.int32)
    lists = np.arange(order.shape[1]) < rng.integers(0, depth + 1, 3)[pool.query % 3, None]
    document = np.where(lists, order, PADDING).astype(np.int32)
    concealed = rng.random(pool.n_documents) < 0.3
    eligible = lists & ~(document[:, :, None] == pool.excluded[:, None, :]).any(axis=2)
    return frozen(
        replace(
            pool,
            document=document,
            score=np.where(lists, np.take_along_axis(score, order, axis=1), -np.inf).astype(np.float32),
            positive=np.take_along_axis(score, pool.positive_document[:, None], axis=1)[:, 0],
            eligible=eligible,
            hidden=eligible & concealed[document],
        )
    )


@st.composite
def teachers(draw: st.DrawFn) -> list[Pool]:
    pool = draw(pools())
    return [
        pool,
        *(another_teacher(pool, draw(SEEDS), draw(st.integers(1, 8))) for _ in range(draw(st.integers(0, 2)))),
    ]


def mine(lists: list[Pool], k: int) -> list[Negatives]:
    return [TopKPercPos(k=k, share=1.0).select(pool, np.random.default_rng(0)) for pool in lists]


def entries(negatives: Negatives, row: int) -> list[tuple[int, int]]:
    return [
        (int(document), int(rank))
        for document, rank in zip(negatives.document[row], negatives.rank[row], strict=True)
        if document != PADDING
    ]


@BRIEF
@given(lists=teachers(), k=st.integers(1, 4), seed=SEEDS)
def test_cross_sample_takes_a_pair_s_negatives_from_one_teacher(lists: list[Pool], k: int, seed: int) -> None:
    mined = mine(lists, k)

    mixed = cross_sample(mined, lists, np.random.default_rng(seed))

    for row in range(len(lists[0].query)):
        found = [number for number, each in enumerate(mined) if np.array_equal(each.document[row], mixed.document[row])]
        filled = mixed.document[row] != PADDING
        assert found
        assert set(mixed.teacher[row][filled].tolist()) <= set(found)
        assert len(set(mixed.teacher[row][filled].tolist())) <= 1
        assert (mixed.teacher[row][~filled] == PADDING).all()


def test_cross_sample_draws_every_teacher_equally_often() -> None:
    pair = one_row([0.5, 0.4], 1.0)
    keys = np.random.default_rng(3).integers(0, 2**63, 6000, dtype=np.uint64)
    pool = frozen(replace(pair.rows(np.zeros(6000, dtype=np.int64)), pair_key=keys))
    mined = mine([pool] * 3, 2)

    counts, again = (
        np.bincount(cross_sample(mined, [pool] * 3, np.random.default_rng(seed)).teacher[:, 0]) for seed in (1, 2)
    )

    assert np.all(np.abs(counts - 2000) < 5 * np.sqrt(2000 * 2 / 3))
    assert counts.tolist() != again.tolist()


@BRIEF
@given(lists=teachers(), k=st.integers(1, 4))
def test_intra_sample_takes_each_teacher_s_first_that_is_still_free(lists: list[Pool], k: int) -> None:
    mined = mine(lists, k)

    mixed = intra_sample(mined)

    for row in range(len(lists[0].query)):
        expected: list[tuple[int, int, int]] = []
        for number, each in enumerate(mined):
            taken = {document for document, _, _ in expected}
            free = [(d, r, number) for d, r in entries(each, row) if d not in taken]
            expected += free[:1]
        filled = len(expected)
        actual = zip(mixed.document[row], mixed.rank[row], mixed.teacher[row], strict=True)
        assert expected == [tuple(map(int, entry)) for entry in actual][:filled]
        assert (mixed.document[row, filled:] == PADDING).all()


@BRIEF
@given(lists=teachers(), k=st.integers(1, 4))
def test_intra_sample_with_duplicates_takes_each_teacher_s_first(lists: list[Pool], k: int) -> None:
    mined = mine(lists, k)

    mixed = intra_sample(mined, duplicates="keep")

    for row in range(len(lists[0].query)):
        firsts = [(number, entries(each, row)[0][0]) for number, each in enumerate(mined) if entries(each, row)]
        actual = list(zip(mixed.teacher[row].tolist(), mixed.document[row].tolist(), strict=True))
        assert firsts == [entry for entry in actual if entry[1] != PADDING]
        assert np.array_equal(np.isnan(mixed.score[row]), mixed.document[row] == PADDING)


@BRIEF
@given(lists=teachers(), k=st.integers(1, 5))
def test_intra_sample_goes_round_the_teachers_until_there_are_k(lists: list[Pool], k: int) -> None:
    mined = mine(lists, k)

    following, kept = (intra_sample(mined, k=k, duplicates=how).document for how in ("next", "keep"))

    for row in range(len(lists[0].query)):
        given = [[document for document, _ in entries(each, row)] for each in mined]
        expected: list[int] = []
        repeated: list[int] = []
        for number in range(k):
            own = given[number % len(mined)]
            expected += [document for document in own if document not in expected][:1]
            repeated += own[number // len(mined) :][:1]
        assert [*expected, *[PADDING] * (k - len(expected))] == following[row].tolist()
        assert [*repeated, *[PADDING] * (k - len(repeated))] == kept[row].tolist()


@BRIEF
@given(lists=teachers(), k=st.integers(1, 4), seed=SEEDS)
def test_a_mix_is_described_by_the_first_teacher_and_remembers_what_the_others_refused(
    lists: list[Pool], k: int, seed: int
) -> None:
    mined = mine(lists, k)
    document = cross_sample(mined, lists, np.random.default_rng(seed)).document

    negatives, others = relisted(document, mined, lists)

    for row in range(len(document)):
        own = {int(d): (r, float(lists[0].score[row, r])) for r, d in enumerate(lists[0].document[row]) if d != PADDING}
        for place, chosen_document in enumerate(document[row].tolist()):
            rank, score = own.get(chosen_document, (PADDING, np.nan))
            assert negatives.rank[row, place] == rank
            assert np.array_equal(negatives.score[row, place], np.float32(score), equal_nan=True)
        refused = [set(pool.document[row][each.removed[row]].tolist()) for each, pool in zip(mined, lists, strict=True)]
        assert set(others[row].tolist()) - {PADDING} == set().union(*refused[1:])
        eligible = set(lists[0].document[row][lists[0].eligible[row]].tolist())
        expected = refused[0] | (set().union(*refused) & eligible)
        assert set(lists[0].document[row][negatives.removed[row]].tolist()) == expected


def test_padding_stands_in_no_table() -> None:
    document = np.array([[3, PADDING, 1]], dtype=np.int32)

    assert among(document, np.array([[PADDING, 1]], dtype=np.int32), 5).tolist() == [[False, False, True]]
    assert among(document, np.zeros((1, 0), dtype=np.int32), 5).tolist() == [[False, False, False]]


def by_hand(pool: Pool, row: int, how: str) -> tuple[dict[int, float], float, float]:
    """Normalise one list: score per document, floor, positive."""
    listed = {int(d): float(s) for d, s in zip(pool.document[row], pool.score[row], strict=True) if d != PADDING}
    values, own = list(listed.values()), float(pool.positive[row])

    def scaled(value: float) -> float:
        if not values:
            return 0.0
        if how == "rank":
            return sum(other <= value for other in values) / len(values)
        shift = min(values) if how == "min_max" else statistics.fmean(values)
        width = max(values) - min(values) if how == "min_max" else statistics.pstdev(values)
        return (value - shift) / width if width > 0 else 0.0

    return {d: scaled(s) for d, s in listed.items()}, min(map(scaled, values), default=0.0), scaled(own)


@pytest.mark.parametrize("how", NORMALISATIONS)
@BRIEF
@given(lists=teachers())
def test_a_merged_pool_scores_by_the_mean_of_normalised_scores(how: Any, lists: list[Pool]) -> None:
    result = merged(lists, how)

    for row in range(len(lists[0].query)):
        hands = [by_hand(pool, row, how) for pool in lists]
        documents = set().union(*(scores for scores, _, _ in hands))
        expected = {
            document: statistics.fmean(scores.get(document, floor) for scores, floor, _ in hands)
            for document in documents
        }
        present = result.document[row] != PADDING
        assert documents == set(result.document[row][present].tolist())
        assert np.allclose([expected[d] for d in result.document[row][present].tolist()], result.score[row][present])
        assert np.isclose(statistics.fmean(own for _, _, own in hands), result.positive[row])
        assert (result.score[row][~present] == -np.inf).all()


@pytest.mark.parametrize("how", NORMALISATIONS)
@BRIEF
@given(lists=teachers())
def test_a_merged_pool_keeps_the_contract_of_a_pool(how: Any, lists: list[Pool]) -> None:
    result = merged(lists, how)

    width = result.document.shape[1]
    for row in range(len(lists[0].query)):
        count = int((result.document[row] != PADDING).sum())
        banned = set(lists[0].excluded[row].tolist())
        assert (result.document[row, count:] == PADDING).all()
        assert np.all(np.diff(result.score[row, :count]) <= 0)
        for column in range(width):
            document = result.document[row, column]
            assert (column < count and document not in banned) == result.eligible[row, column]
            listed = [pool.hidden[row][pool.document[row] == document].any() for pool in lists]
            assert (column < count and any(listed)) == result.hidden[row, column]


def test_one_teacher_s_merged_pool_mines_what_its_own_pool_mines() -> None:
    pool = one_row([0.9, 0.7, 0.4], 0.8, ineligible=(1,))

    for how in NORMALISATIONS:
        result = TopK().select(merged([pool], how), np.random.default_rng(0))  # type: ignore[arg-type]
        assert chosen(result) == [0, 2]


def test_pools_over_other_pairs_or_corpora_are_refused() -> None:
    pool = one_row([0.9], 0.8)

    with pytest.raises(ValueError, match="must agree in document_key"):
        merged([pool, one_row([0.9], 0.8, others=1)], "rank")
    with pytest.raises(ValueError, match="must agree in pair_key"):
        merged([pool, replace(pool, pair_key=pool.pair_key + np.uint64(1))], "rank")
