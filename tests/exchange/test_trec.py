import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import DataError
from harness.exchange.trec import packed, parse_qrels, parse_run, qrels_text, run_text, unpacked

IDS = (
    st.text(min_size=1, max_size=8)
    .filter(lambda text: text.isprintable() or "\n" in text or " " in text)
    .filter(lambda text: not any("\ud800" <= letter <= "\udfff" for letter in text))
)
SCORES = st.floats(-100.0, 100.0, width=32)
RUNS = st.dictionaries(IDS, st.dictionaries(IDS, SCORES, min_size=1, max_size=6), max_size=4)


def _ordered(run: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    return {
        query: dict(sorted(documents.items(), key=lambda item: (item[1], item[0]), reverse=True))
        for query, documents in run.items()
    }


@given(RUNS)
def test_a_run_reads_back_as_it_was_whatever_its_ids_and_scores(run):
    ordered = _ordered(run)

    found = parse_run(run_text(ordered), "run")

    assert found == ordered
    assert [list(documents) for documents in found.values()] == [list(documents) for documents in ordered.values()]


@given(st.dictionaries(IDS, st.dictionaries(IDS, st.integers(-3, 9), min_size=1), max_size=4))
def test_judgements_read_back_as_they_were(qrels):
    assert parse_qrels(qrels_text(qrels), "qrels") == qrels


def test_a_run_is_written_as_trec_eval_reads_it():
    text = run_text({"q 1": {"b": 0.1, "100%": -2.0}})

    assert text == "q%201 Q0 b 1 0.1 winnow\nq%201 Q0 100%25 2 -2.0 winnow\n"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("q Q0 a 1 0.5 x\nq Q0 b 3 0.4 x\n", "line 2"),
        ("q Q0 a 0 0.5 x\n", "line 1"),
        ("q Q0 a 1 0.5 x\nq Q0 b 2 0.6 x\n", "at this rank"),
        ("q Q0 a 1 0.5 x\nq Q0 b 2 0.5 x\n", "at this rank"),
        ("q Q0 a 1 0.5 x\nq Q0 a 2 0.4 x\n", "at this rank"),
        ("q Q0 a 1 nan x\n", "not finite"),
        ("q Q0 a 1 high x\n", "is no score"),
        ("q Q0 a 1 0.5\n", "6 fields"),
        ("q Q0  a 1 0.5 x\n", "6 fields"),
        ("q Q0 %FF 1 0.5 x\n", "UTF-8"),
    ],
)
def test_a_run_out_of_order_or_malformed_is_refused(lines, said):
    with pytest.raises(DataError, match=said):
        parse_run(lines, "run.trec")


def test_documents_of_equal_score_stand_by_descending_id():
    assert list(parse_run("q Q0 b 1 0.5 x\nq Q0 a 2 0.5 x\n", "run")["q"]) == ["b", "a"]


@pytest.mark.parametrize("line", ["q 0 a 1.5\n", "q 0 a one\n", "q 0 a 1\nq 0 a 1\n", "q a 1\n"])
def test_malformed_or_repeated_judgements_are_refused(line):
    with pytest.raises(DataError, match="qrels, line"):
        parse_qrels(line, "qrels")


def test_scores_read_back_as_the_float32_that_they_were():
    score = float(np.float32(0.1) + np.float32(1e-8))

    assert parse_run(run_text({"q": {"d": score}}), "run")["q"]["d"] == score


def test_the_same_text_is_packed_into_the_same_bytes_and_comes_back():
    assert packed("text\n") == packed("text\n")
    assert unpacked(packed("text\n"), 5, "file") == "text\n"


@pytest.mark.parametrize(
    "content",
    [packed("x" * 11), packed("text")[:-3], packed("a") + packed("b"), b"plain", gzip.compress(b"\xff", mtime=0)],
)
def test_what_is_too_long_cut_short_or_no_gzip_is_refused(content):
    with pytest.raises(DataError, match="file"):
        unpacked(content, 10, "file")
