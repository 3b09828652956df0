"""What is written, and that trainers load it."""

import json
import os
import stat

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

from harness import mine
from harness.errors import ConfigError, StorageError
from harness.mined_files import left_out, records, refusal, rows, write_mined
from harness.mining.base import PADDING

FORMATS = ("records", "triplet", "n-tuple", "labeled-list")


@pytest.fixture(scope="module")
def short(bm25_pool):
    """Negatives of which some pairs have all, some have one or more, and some none."""
    found = mine(bm25_pool, "topk_percpos", share=0.7, k=4, on_shortage="keep")
    assert min(found.yields.full, found.yields.partial, found.yields.empty) > 0
    return found


def read(path):
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def texts_of(mined, index):
    return [
        mined.source.collection.document_texts[each]
        for each in mined.negatives.document[index].tolist()
        if each != PADDING
    ]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("form", FORMATS)
def test_a_file_holds_the_rows_of_its_format(short, tmp_path, suffix, form):
    written = write_mined(short, tmp_path / f"out{suffix}", form)

    found = read(written.path)
    assert len(found) == written.rows
    if suffix == ".jsonl":
        assert found == list(rows(short, form))
    else:
        assert [list(row) for row in found] == [list(row) for row in rows(short, form)]
        assert [row.get("negative_ids") for row in found] == [row.get("negative_ids") for row in rows(short, form)]


def test_records_keep_every_pair_and_show_the_padding(short):
    found = list(records(short))

    assert len(found) == short.yields.pairs
    for index, row in enumerate(found):
        missing = short.negatives.document[index] == PADDING
        assert [each is None for each in row["negative_ids"]] == missing.tolist()
        assert [each is None for each in row["negative_scores"]] == missing.tolist()
        assert [each is None for each in row["negative_ranks"]] == missing.tolist()
        assert row["mined"] == 4 - missing.sum()


def test_records_name_what_the_arrays_index(short):
    pool, collection = short.source.pool, short.source.collection
    row = list(records(short))[5]

    assert row["query_id"] == collection.query_ids[pool.query[5]]
    assert row["positive_id"] == collection.document_ids[pool.positive_document[5]]
    assert np.float32(row["positive_score"]) == pool.positive[5]
    places = {collection.document_ids[document]: at for at, document in enumerate(pool.document[5].tolist())}
    named = [each for each in row["negative_ids"] if each is not None]
    assert [places[each] for each in named] == row["negative_ranks"][: len(named)]
    assert [pool.score[5, places[each]] for each in named] == [
        np.float32(score) for score in row["negative_scores"][: len(named)]
    ]
    assert row["removed"] == {rule: int(mask[5].sum()) for rule, mask in short.rules.items()}


def test_a_triplet_is_one_negative(short):
    pool, collection = short.source.pool, short.source.collection
    expected = [
        (collection.query_texts[pool.query[index]], collection.document_texts[pool.positive_document[index]], text)
        for index in range(len(pool.query))
        for text in texts_of(short, index)
    ]

    assert [tuple(row.values()) for row in rows(short, "triplet")] == expected


def test_an_n_tuple_has_all_negatives_and_leaves_out_the_pairs_without(short, tmp_path):
    written = write_mined(short, tmp_path / "out.jsonl", "n-tuple")

    found = read(written.path)
    assert list(found[0]) == ["anchor", "positive", "negative_1", "negative_2", "negative_3", "negative_4"]
    assert len(found) == short.yields.full
    assert written.left_out == short.yields.partial + short.yields.empty


def test_a_labeled_list_is_as_long_as_there_are_negatives(short):
    filled = (short.negatives.document != PADDING).sum(axis=1)

    found = list(rows(short, "labeled-list"))
    assert [row["labels"] for row in found] == [[1, *[0] * count] for count in filled if count]
    assert [len(row["documents"]) for row in found] == [1 + count for count in filled if count]
    assert left_out(short, "labeled-list") == left_out(short, "triplet") == short.yields.empty


@pytest.mark.parametrize("form", FORMATS)
def test_pairs_that_the_policy_drops_are_in_no_format(bm25_pool, form):
    dropped = mine(bm25_pool, "topk_percpos", share=0.7, k=4, on_shortage="drop")

    count = len(list(rows(dropped, form)))
    assert count == dropped.yields.trained * (4 if form == "triplet" else 1)
    assert left_out(dropped, form) == 0


def test_the_description_says_what_the_rows_depend_on(short, tmp_path):
    written = write_mined(short, tmp_path / "out.parquet", "triplet")

    found = json.loads(written.description.read_text(encoding="utf-8"))
    assert written.description.name == "out.parquet.meta.json"
    assert found["data"]["digest"] == short.source.collection.digest
    assert found["miner"]["label"] == "topk_percpos(share=0.7)"
    assert found["yield"] == short.yields.model_dump()
    assert (found["rows"], found["pairs_left_out_by_format"]) == (written.rows, short.yields.empty)
    assert found["negatives"] == written.rows
    assert found["on_shortage"] == "keep"


def test_the_same_negatives_give_the_same_bytes(short, tmp_path):
    for name in ("a.parquet", "b.parquet"):
        write_mined(short, tmp_path / name, "records")

    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert (tmp_path / "a.parquet.meta.json").read_bytes() == (tmp_path / "b.parquet.meta.json").read_bytes()


def test_a_file_is_overwritten_only_by_force(short, tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("mine", encoding="utf-8")

    with pytest.raises(ConfigError, match="is there already"):
        write_mined(short, path, "records")
    assert path.read_text(encoding="utf-8") == "mine"
    with path.open(encoding="utf-8") as before:
        assert write_mined(short, path, "records", force=True).rows == short.yields.pairs
        assert before.read() == "mine", "whoever reads the old file reads it in full"


def test_a_write_that_fails_leaves_the_old_file_and_no_other(short, tmp_path, monkeypatch):
    path = tmp_path / "out.jsonl"
    path.write_text("mine", encoding="utf-8")

    def torn(mined, form, draft):
        draft.write_text("half", encoding="utf-8")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.mined_files._write_jsonl", torn)
    with pytest.raises(StorageError, match="the disk is full"):
        write_mined(short, path, "records", force=True)
    assert [each.name for each in tmp_path.iterdir()] == ["out.jsonl"]
    assert path.read_text(encoding="utf-8") == "mine"


def test_files_can_be_read_by_whom_the_umask_lets(short, tmp_path):
    previous = os.umask(0o022)
    try:
        written = write_mined(short, tmp_path / "out.jsonl", "records")
    finally:
        os.umask(previous)

    assert {stat.S_IMODE(path.stat().st_mode) for path in (written.path, written.description)} == {0o644}


def test_an_unknown_ending_and_a_folder_are_refused(tmp_path):
    assert refusal(tmp_path / "out.csv", force=True).startswith("must end in .parquet or .jsonl")
    (tmp_path / "out.jsonl").mkdir()
    assert refusal(tmp_path / "out.jsonl", force=True).endswith("is a folder")
    assert refusal(tmp_path / "new.jsonl", force=False) is None


def test_long_tables_are_written_in_batches(short, tmp_path, monkeypatch):
    monkeypatch.setattr("harness.mined_files._BATCH", 5)

    written = write_mined(short, tmp_path / "out.parquet", "records")

    assert pq.ParquetFile(written.path).num_row_groups == -(-short.yields.pairs // 5)
    assert len(read(written.path)) == short.yields.pairs


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("form", FORMATS)
def test_hugging_face_datasets_loads_every_format(short, tmp_path, suffix, form):
    written = write_mined(short, tmp_path / f"out{suffix}", form)

    kind = {".jsonl": "json", ".parquet": "parquet"}[suffix]
    found = datasets.load_dataset(kind, data_files=str(written.path), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(found) == written.rows
    assert found.column_names == list(next(rows(short, form)))


@pytest.mark.parametrize("form", ["triplet", "n-tuple"])
def test_a_trainer_takes_a_step_on_what_was_written(short, tmp_path, form):
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    from harness.training.bases import Static

    written = write_mined(short, tmp_path / "out.parquet", form)
    table = datasets.load_dataset(
        "parquet", data_files=str(written.path), split="train", cache_dir=str(tmp_path / "cache")
    )
    collection = short.source.collection
    model = Static().load(max_length=32, texts=(*collection.document_texts, *collection.query_texts))
    model.model_card_data.generate_widget_examples = False
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            output_dir=str(tmp_path / "model"),
            max_steps=1,
            report_to=[],
            disable_tqdm=True,
            save_strategy="no",
            use_cpu=True,
            logging_steps=1,
        ),
        train_dataset=table,
        loss=MultipleNegativesRankingLoss(model),
    )
    trainer.train()

    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 1
    assert 0 < losses[0] < 20
