"""Pairs from files and from memory."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.collection import normalised
from harness.errors import DataError
from harness.sources.pairs import Pairs, collect
from harness.sources.problems import Problems

ROWS = [
    {"query": "Capital of France", "positive": "Paris is the capital."},
    {"query": "capital  of france", "positive": "Lutetia."},
    {"query": "largest planet", "positive": "PARIS is the  capital."},
]


def written(path, rows):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n\n" for row in rows), encoding="utf-8")
    else:
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


def load(path, corpus=""):
    return Pairs(path=str(path), corpus=str(corpus)).load()


def complaint(path, corpus=""):
    with pytest.raises(DataError) as caught:
        load(path, corpus)
    return str(caught.value)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv", ".tsv"])
def test_equal_texts_are_one_query_and_one_document(tmp_path, suffix):
    found = load(written(tmp_path / f"own{suffix}", ROWS))

    assert found.name == "own"
    assert found.query_texts == ("Capital of France", "largest planet")
    assert found.document_texts == ("Paris is the capital.", "Lutetia.")
    train = found.split("train")
    assert list(zip(train.query.tolist(), train.document.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 0)]
    assert train.grade.tolist() == [1, 1, 1]
    assert not train.hidden.any()


def test_every_format_gives_the_same_collection(tmp_path):
    found = {load(written(tmp_path / f"own{suffix}", ROWS)).digest for suffix in (".parquet", ".jsonl", ".csv", ".tsv")}

    assert len(found) == 1


@settings(max_examples=25, deadline=None)
@given(st.permutations(ROWS))
def test_made_up_ids_depend_on_the_text_alone(rows):
    def ids(rows):
        found = collect(list(enumerate(rows)), None, Problems("here"))
        named = zip(found.query_ids + found.document_ids, found.query_texts + found.document_texts, strict=True)
        return {name: normalised(text) for name, text in named}

    assert ids(rows) == ids(ROWS)


def test_a_corpus_adds_documents_and_titles(tmp_path):
    pairs = written(tmp_path / "own.jsonl", [{"anchor": "largest planet", "positive": "Planets Jupiter."}])
    corpus = written(
        tmp_path / "corpus.jsonl",
        [{"_id": "a", "title": "Planets", "text": "Jupiter."}, {"_id": "b", "text": "Jupiter."}],
    )

    found = load(pairs, corpus)

    assert found.document_ids == ("a", "b")
    assert found.document_texts == ("Planets Jupiter.", "Jupiter.")
    assert found.split("train").document.tolist() == [0]


def test_a_positive_may_be_named_by_its_id_in_the_corpus(tmp_path):
    pairs = written(tmp_path / "own.csv", [{"query_id": "7", "query": "x", "positive_id": "2", "split": "test"}])
    corpus = written(tmp_path / "corpus.parquet", [{"id": 1, "text": "one"}, {"id": 2, "text": "two"}])

    found = load(pairs, corpus)

    assert found.query_ids == ("7",)
    assert found.split("test").document.tolist() == [1]
    assert found.split("train").queries.size == 0


def test_ids_keep_equal_texts_apart(tmp_path):
    rows = [
        {"query": "x", "positive": "same", "positive_id": "a"},
        {"query": "x", "positive": "same", "positive_id": "b"},
        {"query": "x", "positive": "same", "positive_id": "b"},
    ]

    found = load(written(tmp_path / "own.jsonl", rows))

    assert found.document_ids == ("a", "b")
    assert found.split("train").document.tolist() == [0, 1]


def test_every_mistake_is_told_with_file_row_and_column(tmp_path):
    corpus = written(tmp_path / "corpus.jsonl", [{"_id": "a", "text": ""}, {"_id": "b", "text": "two"}])
    rows = [
        {"query": None, "positive": "p"},
        {"query": 3, "positive": "p"},
        {"query": "x", "positive": " "},
        {"query": "x", "positive_id": "z"},
        {"query": "x", "positive": "p", "split": "validation"},
        {"query": "x", "positive": "p", "query_id": "1"},
        {"query": "y", "positive": "p", "query_id": "1"},
        {"query": "half \ud800", "positive": "p"},
        {"query": "x", "positive": "p", "query_id": True},
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "[1]\n{\n", encoding="utf-8")

    reason = "(Expecting property name enclosed in double quotes: line 2 column 1 (char 2))"
    own_11 = f"own.jsonl:11: expected a JSON object, found '{{' {reason}"
    assert complaint(path, corpus).split("\n  ") == [
        f"{path}: 11 problems",
        "corpus.jsonl:1: column \"text\": expected text, found ''",
        'own.jsonl:1: column "query": expected text, found nothing (columns: query, positive)',
        'own.jsonl:2: column "query": expected text, found 3',
        "own.jsonl:3: column \"positive\": expected text, found ' '",
        "own.jsonl:4: column \"positive_id\": expected an id of the corpus, found 'z'",
        "own.jsonl:5: column \"split\": expected train, dev, test, found 'validation'",
        "own.jsonl:7: column \"query_id\": expected an id of its own, found '1' with another text before",
        "own.jsonl:8: column \"query\": expected text, found 'half \\ud800'",
        'own.jsonl:9: column "query_id": expected text, found True',
        "own.jsonl:10: expected a JSON object, found [1]",
        own_11,
    ]


def test_a_file_without_a_pair_is_a_mistake(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("query,positive\n", encoding="utf-8")

    assert complaint(path).endswith("own.csv: expected at least one pair, found none")


def test_without_a_corpus_an_id_alone_is_no_document(tmp_path):
    path = written(tmp_path / "own.jsonl", [{"query": "x", "positive_id": "z"}])

    assert 'own.jsonl:1: column "positive": expected text, found nothing' in complaint(path)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("own.csv", b"query,positive\nx\n", "own.csv:2: expected 2 columns, as the header has"),
        ("own.csv", b"query,positive\nx,y,z\n", "own.csv:2: expected 2 columns, as the header has"),
        ("own.csv", b'query,positive\n"x"y,z\n', "own.csv:2: expected delimited text"),
        ("own.csv", b"query,positive\nx,\xff\n", "expected UTF-8, found byte 0xff"),
        ("own.parquet", b"no parquet", "is not a parquet file"),
        ("own.txt", b"", "expected a file that ends in .parquet, .jsonl, .csv, .tsv"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path, name, content, expected):
    path = tmp_path / name
    path.write_bytes(content)

    assert expected in complaint(path)


def test_a_missing_file_is_refused_when_its_identity_is_asked(tmp_path):
    with pytest.raises(DataError, match=r"own.jsonl: expected this file, found nothing"):
        Pairs(path=str(tmp_path / "own.jsonl")).identity()
    (tmp_path / "own.jsonl").mkdir()
    with pytest.raises(DataError, match=r"own.jsonl: expected this file, found a folder"):
        Pairs(path=str(tmp_path / "own.jsonl")).identity()


def test_identity_is_content_not_path(tmp_path):
    first = written(tmp_path / "a.jsonl", ROWS)
    same = written(tmp_path / "b.jsonl", ROWS)
    other = written(tmp_path / "c.jsonl", ROWS[:1])

    identities = [Pairs(path=str(path)).identity() for path in (first, same, other)]

    assert identities[0] == identities[1] != identities[2]
    assert Pairs(path=str(first), corpus=str(other)).identity() != Pairs(path=str(first), corpus=str(same)).identity()
