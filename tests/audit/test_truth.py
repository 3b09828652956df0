import numpy as np
from hypothesis import given, settings

from harness.audit.curves import Ground
from harness.audit.truth import Truth
from harness.collection import Judgements
from harness.mining.base import PADDING
from tests.audit.grounds import grounds
from tests.mining.pools import one_row

POOL = one_row([0.9, 0.7, 0.5, 0.3], positive=0.8)
DOCUMENTS = np.array([[0, 1, 2, PADDING]], dtype=np.int32)
ROWS = [(0, 4, 1, False), (0, 0, 1, True), (0, 1, 0, False), (1, 2, 1, True), (1, 0, 0, False)]


def test_a_document_is_hidden_or_known_for_its_own_query_only():
    truth = Truth(Judgements.of(ROWS))

    assert truth.hidden(POOL, DOCUMENTS).tolist() == [[True, False, False, False]]
    assert truth.known(POOL, DOCUMENTS).tolist() == [[True, True, False, False]]


def test_without_judged_documents_everything_but_padding_is_known():
    truth = Truth(Judgements.of(row for row in ROWS if row[2]))

    assert truth.known(POOL, DOCUMENTS).tolist() == [[True, True, True, False]]


def test_the_kind_of_truth_follows_from_the_judgements():
    def kind(*rows: tuple[int, int, int, bool]) -> str:
        return Truth(Judgements.of(rows)).kind

    assert kind((0, 0, 1, False)) == "none"
    assert kind((0, 0, 1, False), (0, 1, 0, False)) == "none"
    assert kind((0, 0, 1, False), (0, 1, 1, True)) == "hidden"
    assert kind((0, 0, 1, False), (0, 1, 1, True), (0, 2, 0, False)) == "judged"
    assert kind((0, 0, 1, False), (0, 1, 1, True), (0, 2, -1, False)) == "judged"


@given(grounds())
@settings(max_examples=40)
def test_counts_agree_with_a_loop(ground: Ground):
    rows, pool = ground.truth.rows, ground.pool
    grades = {
        (int(q), int(d)): (int(g), bool(h))
        for q, d, g, h in zip(rows.query, rows.document, rows.grade, rows.hidden, strict=True)
    }
    counts = {"hidden": 0, "judged": 0, "unknown": 0}
    for row, line in enumerate(pool.document.tolist()):
        for document in line:
            if document != PADDING:
                grade, hidden = grades.get((int(pool.query[row]), document), (None, False))
                counts["hidden" if hidden else "judged" if grade == 0 else "unknown"] += 1

    counted = ground.truth.counted(pool, pool.document)

    assert counted.model_dump() == counts
    assert counted.total == int((pool.document != PADDING).sum())
