from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.collection import Judgements
from harness.errors import ConfigError
from harness.mining.base import PADDING
from harness.mining.consensus import merged
from harness.registry import TEACHERS
from harness.store import Store
from harness.teachers.base import Workspace, build_pool, teacher_of
from harness.teachers.search import id_order
from tests.teachers.nested import listed, words

COLLECTION = words(9, 3)
QUERIES = np.array([1, 0, 2], dtype=np.int32)
NORMALISATIONS = ["rank", "min_max", "z_score"]
TABLES = st.lists(
    st.lists(st.lists(st.integers(-2, 4), min_size=9, max_size=9), min_size=3, max_size=3), min_size=2, max_size=3
)


def by_loops(tables, normalisation, candidates, query):
    """Return the ensemble's score of every document, and which are candidates."""
    place, union = id_order(COLLECTION.document_ids), set()
    for table in tables:
        best = sorted(range(9), key=lambda document: (-table[query][document], place[document]))[:candidates]
        union |= {document for document in best if table[query][document] > 0}
    totals = [0.0] * 9
    for table in tables:
        scale = [table[query][document] for document in sorted(union)]
        for document in range(9):
            own = table[query][document]
            if normalisation == "rank":
                value = sum(other <= own for other in scale) / max(1, len(scale))
            elif len(set(scale)) <= 1:
                value = 0.0
            elif normalisation == "min_max":
                value = (own - min(scale)) / (max(scale) - min(scale))
            else:
                value = (own - np.mean(scale)) / np.std(scale)
            totals[document] += value / len(tables)
    return np.array(totals), union


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@settings(deadline=None, max_examples=40)
@given(tables=TABLES, candidates=st.integers(1, 9))
def test_every_teacher_scores_every_candidate_on_the_scale_of_all(tmp_path_factory, normalisation, tables, candidates):
    params = {"teachers": [listed(table) for table in tables], "normalisation": normalisation, "candidates": candidates}
    ensemble, work = TEACHERS.create("ensemble", params), Workspace(Store(tmp_path_factory.mktemp("store")))

    found = ensemble.search(COLLECTION, QUERIES, 12, work)
    pairs = np.repeat(QUERIES, 9), np.tile(np.arange(9, dtype=np.int32), 3)
    scores = ensemble.score(COLLECTION, *pairs, work).reshape(3, 9)

    for row, query in enumerate(QUERIES):
        expected, union = by_loops(tables, normalisation, candidates, query)
        listed_ = found.document[row][found.document[row] != PADDING]
        assert set(listed_.tolist()) == union
        assert np.allclose(scores[row], expected, atol=1e-6)
        assert np.allclose(found.score[row, : len(union)], scores[row][listed_], atol=1e-6)
        assert (found.document[row, len(union) :] == PADDING).all()
        order = np.lexsort((id_order(COLLECTION.document_ids)[listed_], -found.score[row, : len(union)]))
        assert order.tolist() == list(range(len(union)))


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_with_whole_lists_the_ensemble_is_what_merging_the_pools_gives(tmp_path, normalisation):
    rng, work = np.random.default_rng(2), Workspace(Store(tmp_path))
    collection = replace(COLLECTION, splits={"train": Judgements.of([(0, 2, 1, False), (1, 4, 1, False)])})
    components = [listed(rng.uniform(0.1, 1, (3, 9))) for _ in range(2)]
    ensemble = TEACHERS.create("ensemble", {"teachers": components, "normalisation": normalisation})

    pool = build_pool(ensemble, collection, "train", 9, work)
    pools = [build_pool(teacher_of(each), collection, "train", 9, work) for each in ensemble.teachers]
    other = merged(pools, normalisation)

    assert [each.pair_key.tolist() for each in pools] == [pool.pair_key.tolist()] * 2
    assert np.allclose(pool.score, other.score, atol=1e-6)
    assert np.allclose(pool.positive, other.positive, atol=1e-6)
    for row in range(2):
        assert sorted(pool.document[row][pool.eligible[row]]) == sorted(other.document[row][other.eligible[row]])


def test_an_ensemble_of_real_teachers_puts_what_both_like_first(tmp_path):
    components = [{"name": "bm25"}, {"name": "minilm", "params": {"max_length": 16}}]
    ensemble = TEACHERS.create("ensemble", {"teachers": components})
    collection = words(30, 2)

    found = ensemble.search(collection, np.array([0], dtype=np.int32), 5, Workspace(Store(tmp_path)))

    assert (found.score[0] > 0.5).all()
    assert len(set(found.document[0].tolist())) == 5


def test_an_ensemble_needs_two_teachers_that_exist():
    with pytest.raises(ConfigError, match="teachers must be a list of 2 or more"):
        TEACHERS.create("ensemble", {"teachers": [{"name": "bm25"}]})
    with pytest.raises(ConfigError, match="unknown teacher 'nobody'"):
        TEACHERS.create("ensemble", {"teachers": [{"name": "bm25"}, {"name": "nobody"}]})


def test_teachers_normalisation_and_depth_are_the_identity():
    base = {"teachers": [{"name": "bm25"}, {"name": "bm25", "params": {"k1": 2.0}}]}
    settings_ = [{}, {"normalisation": "rank"}, {"candidates": 5}, {"teachers": base["teachers"][::-1]}]

    assert len({TEACHERS.create("ensemble", {**base, **extra}).identity() for extra in settings_}) == 4
