import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from harness.collection import Collection
from harness.errors import DataError
from harness.registry import DATASETS
from harness.sources.beir_folder import BeirFolder

HEADER = "query-id\tcorpus-id\tscore"


def lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


CORPUS: list[dict[str, object]] = [
    {"_id": "d1", "title": "Pâté", "text": "of the house"},
    {"_id": "d2", "text": "no title"},
    {"_id": "d3", "title": "title alone", "text": ""},
    {"_id": "d4", "title": "", "text": "four"},
]
QUERIES: list[dict[str, object]] = [{"_id": f"q{number}", "text": f"query {number}"} for number in range(1, 7)]
TRAIN = ["q1\td1\t1", "q1\td2\t2", "q1\td3\t0", "q2\td2\t1", "q3\td3\t1", "q3\td4\t1", "q4\td1\t1"]


def folder(path: Path, **files: str | bytes | None) -> str:
    """Write a sound folder, with some files replaced or left out."""
    contents: dict[str, str | bytes | None] = {
        "corpus.jsonl": lines(CORPUS),
        "queries.jsonl": lines(QUERIES),
        "qrels/train.tsv": "\n".join([HEADER, *TRAIN]) + "\n",
        "qrels/test.tsv": f"{HEADER}\nq5\td4\t1\n",
    }
    contents |= {name.replace("__", "/") + (".tsv" if "__" in name else ".jsonl"): text for name, text in files.items()}
    for name, content in contents.items():
        if content is not None:
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def rows(collection: Collection, split: str) -> list[tuple[str, str, int, bool]]:
    judged = collection.split(split)
    return [
        (collection.query_ids[query], collection.document_ids[document], grade, hidden)
        for query, document, grade, hidden in zip(
            judged.query.tolist(), judged.document.tolist(), judged.grade.tolist(), judged.hidden.tolist(), strict=True
        )
    ]


def complaints(path: str, **params: object) -> list[str]:
    with pytest.raises(DataError) as caught:
        BeirFolder(path=path, **params).load()  # type: ignore[arg-type]
    first, *rest = str(caught.value).split("\n  ")
    assert first.startswith(path)
    return rest


def test_a_sound_folder_is_read_as_it_is(tmp_path: Path) -> None:
    collection = BeirFolder(path=folder(tmp_path)).load()

    assert collection.document_texts == ("Pâté of the house", "no title", "title alone", "four")
    assert collection.query_texts[:2] == ("query 1", "query 2")
    assert rows(collection, "train")[:3] == [("q1", "d1", 1, False), ("q1", "d2", 2, False), ("q1", "d3", 0, False)]
    assert rows(collection, "test") == [("q5", "d4", 1, False)]
    assert sorted(collection.splits) == ["test", "train"]
    assert collection.name == tmp_path.name


def test_byte_order_marks_carriage_returns_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    plain = BeirFolder(path=folder(tmp_path)).load()
    corpus = b"\xef\xbb\xbf" + lines(CORPUS).replace("\n", "\r\n\r\n").encode()
    train = "\r\n".join([HEADER, *TRAIN, ""])

    windows = BeirFolder(path=folder(tmp_path, corpus=corpus, qrels__train=train)).load()

    assert plain.digest == windows.digest


@pytest.mark.parametrize(
    ("file", "line", "text", "expected"),
    [
        ("corpus", 5, '{"_id": "d5", "text": ', "expected a JSON object, found '{"),
        ("corpus", 5, '["d5"]', "expected a JSON object, found '[\"d5\"]'"),
        ("corpus", 5, '{"title": "t", "text": "x"}', 'expected the key "_id", found text, title'),
        ("corpus", 5, '{"_id": "d5"}', 'expected the key "text", found _id'),
        ("corpus", 5, '{"_id": 5, "text": "x"}', 'expected a string under "_id", found 5'),
        ("corpus", 5, '{"_id": "d5", "title": null, "text": "x"}', 'expected a string under "title", found None'),
        ("corpus", 5, '{"_id": " ", "text": "x"}', "expected an id under \"_id\", found ' '"),
        ("corpus", 5, '{"_id": "d2", "text": "x"}', "expected an id of its own, found 'd2' of line 2 again"),
        ("corpus", 5, '{"_id": "d5", "title": " ", "text": ""}', "found none for 'd5' (empty_text: keep"),
        ("corpus", 5, '{"_id": "d5", "text": "\\ud800"}', 'under "text", found half of a surrogate pair'),
        ("queries", 7, '{"_id": "q7", "text": " "}', "expected a text, found none for 'q7'"),
        ("qrels/train", 9, "q9\td1\t1", "expected a query id of queries.jsonl, found 'q9'"),
        ("qrels/train", 9, "q2\td9\t1", "expected a document id of corpus.jsonl, found 'd9'"),
        ("qrels/train", 9, "q2\td1\t1.0", "expected an integer score, found '1.0'"),
        ("qrels/train", 9, "q2 d1 1", "expected three columns between tabs, found 1: 'q2 d1 1'"),
        ("qrels/train", 9, "q1\td1\t0", "expected each pair once, found 'q1', 'd1' again"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_what_was_expected(
    tmp_path: Path, file: str, line: int, text: str, expected: str
) -> None:
    path = folder(tmp_path)
    name = f"{file}.tsv" if "/" in file else f"{file}.jsonl"
    with (tmp_path / name).open("a", encoding="utf-8") as stream:
        stream.write(text + "\n")

    found = complaints(path)

    assert len(found) == 1
    assert found[0].startswith(f"{name}:{line}: ")
    assert expected in found[0]


def test_bytes_that_are_not_utf_8_are_located(tmp_path: Path) -> None:
    broken = lines(CORPUS).encode() + b'{"_id": "d5", "text": "\xff"}\n'

    assert complaints(folder(tmp_path, corpus=broken)) == [
        "corpus.jsonl:5: expected UTF-8, found byte 0xff at column 24"
    ]


def test_a_missing_header_is_told_once(tmp_path: Path) -> None:
    found = complaints(folder(tmp_path, qrels__train="\n".join(TRAIN)))

    assert found == [
        "qrels/train.tsv:1: expected the header 'query-id\\tcorpus-id\\tscore', found 'q1\\td1\\t1'",
    ]


def test_mistakes_of_all_files_come_together_up_to_twenty(tmp_path: Path) -> None:
    corpus = lines(CORPUS) + "?\n" * 12
    train = "\n".join([HEADER, *(f"x{number}\td1\t1" for number in range(15))])

    found = complaints(folder(tmp_path, corpus=corpus, qrels__train=train))

    assert len(found) == 21
    assert [line.partition(":")[0] for line in found[:20]] == ["corpus.jsonl"] * 12 + ["qrels/train.tsv"] * 8
    assert found[20] == "and 7 more"


def test_what_is_found_is_cut_to_a_readable_length(tmp_path: Path) -> None:
    (found,) = complaints(folder(tmp_path, corpus=lines(CORPUS) + "x" * 5000))

    assert len(found) < 300
    assert "(5002 characters)" in found


@pytest.mark.parametrize("name", ["corpus", "queries"])
def test_a_missing_or_empty_file_is_named(tmp_path: Path, name: str) -> None:
    path = folder(tmp_path, **{name: None})
    assert complaints(path)[0] == f"{name}.jsonl: expected this file, found nothing"

    (tmp_path / f"{name}.jsonl").touch()
    assert complaints(path)[0] == f"{name}.jsonl: expected at least one line, found none"


def test_a_missing_folder_and_a_file_in_its_place_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a folder with .*, found nothing"):
        BeirFolder(path=str(tmp_path / "nowhere")).load()
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="found a file"):
        BeirFolder(path=str(tmp_path / "file")).identity()


def test_a_folder_without_judgements_says_what_it_has(tmp_path: Path) -> None:
    path = folder(tmp_path, qrels__train=None, qrels__test=None, qrels__validation=f"{HEADER}\nq1\td1\t1\n")

    (found,) = complaints(path)

    assert "expected train.tsv, dev.tsv or test.tsv, found validation.tsv" in found
    assert sorted(BeirFolder(path=path, dev="validation").load().splits) == ["dev"]


def test_a_split_file_that_was_named_must_exist(tmp_path: Path) -> None:
    assert complaints(folder(tmp_path), dev="valid") == [
        "qrels/valid.tsv: expected the judgements of dev, found nothing"
    ]


def test_empty_documents_are_kept_on_request(tmp_path: Path) -> None:
    path = folder(tmp_path, corpus=lines([*CORPUS, {"_id": "d5", "text": ""}]))

    assert BeirFolder(path=path, empty_text="keep").load().document_texts[-1] == ""


def test_hiding_keeps_one_labelled_positive_per_train_query(tmp_path: Path) -> None:
    path = folder(tmp_path, qrels__test=f"{HEADER}\nq5\td4\t1\nq5\td3\t1\n")

    hidden = [BeirFolder(path=path, hide_positives=seed).load() for seed in range(8)]

    for collection in hidden:
        train = collection.split("train")
        assert np.bincount(train.query[train.labelled]).tolist() == [1, 1, 1, 1]
        assert train.concealed.sum() == 2
        assert not train.hidden[train.grade == 0].any()
        assert not collection.split("test").hidden.any()
    assert len({collection.digest for collection in hidden}) > 1
    assert hidden[0].digest == BeirFolder(path=path, hide_positives=0).load().digest


def test_dev_is_carved_out_of_train_whatever_the_order_of_lines(tmp_path: Path) -> None:
    before = BeirFolder(path=folder(tmp_path)).load()
    path = folder(tmp_path, queries=lines(QUERIES[::-1]), qrels__train="\n".join([HEADER, "q6\td1\t0", *TRAIN[::-1]]))

    carved = BeirFolder(path=path, dev_from_train=2).load()
    straight = BeirFolder(path=folder(tmp_path), dev_from_train=2).load()

    assert len(carved.split("dev").queries) == 2
    assert "q6" not in {row[0] for row in rows(carved, "dev")}
    assert sorted(rows(carved, "dev")) == sorted(rows(straight, "dev"))
    assert sorted(rows(straight, "train") + rows(straight, "dev")) == sorted(rows(before, "train"))


def test_dev_cannot_be_carved_when_it_exists_or_train_is_too_small(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="dev_from_train=4 must be below the 4 train queries"):
        BeirFolder(path=folder(tmp_path), dev_from_train=4).load()
    assert (
        "dev_from_train=1 but dev.tsv is there"
        in complaints(folder(tmp_path, qrels__dev=f"{HEADER}\nq6\td1\t1\n"), dev_from_train=1)[0]
    )
    (tmp_path / "qrels" / "train.tsv").unlink()
    (tmp_path / "qrels" / "dev.tsv").unlink()
    assert "dev_from_train=1 needs train.tsv" in complaints(str(tmp_path), dev_from_train=1)[0]


def test_identity_is_content_and_parameters_but_not_the_path(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for place in (here, there):
        place.mkdir()
        folder(place)
    same = BeirFolder(path=str(here)).identity()

    assert same == BeirFolder(path=str(there)).identity()
    others = [
        BeirFolder(path=str(here), dev_from_train=1),
        BeirFolder(path=str(here), hide_positives=0),
        BeirFolder(path=str(here), empty_text="keep"),
        BeirFolder(path=str(here), train="test", test="train"),
    ]
    identities = [each.identity() for each in others]
    folder(there, qrels__test=f"{HEADER}\nq5\td4\t2\n")
    identities += [BeirFolder(path=str(there)).identity(), same]
    assert len(set(identities)) == len(identities)


def test_it_is_registered_and_refuses_unknown_choices() -> None:
    assert DATASETS["beir_folder"].factory is BeirFolder
    with pytest.raises(ValidationError, match="empty_text"):
        BeirFolder(path="x", empty_text="drop")  # type: ignore[arg-type]
