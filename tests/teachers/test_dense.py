import hashlib

import numpy as np
import pytest

from harness.collection import Collection
from harness.errors import ConfigError, ModelError, NumericError
from harness.registry import TEACHERS
from harness.store import Store
from harness.teachers import dense, shards
from harness.teachers.base import Workspace
from harness.teachers.minilm import MINILM_SHA256, minilm_folder, verify

COLLECTION = Collection("toy", ("a", "b"), ("a cat", "a dog"), ("q",), ("kitten",), {})


def test_the_packaged_model_is_the_published_one():
    weights = (minilm_folder() / "model.safetensors").read_bytes()

    assert hashlib.sha256(weights).hexdigest() == MINILM_SHA256


def test_other_weights_are_refused(tmp_path):
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"other")

    with pytest.raises(ModelError, match=f"its SHA-256 is .*, expected {MINILM_SHA256}"):
        verify(weights, MINILM_SHA256)
    with pytest.raises(ModelError, match="is missing"):
        verify(tmp_path / "absent", MINILM_SHA256)


def test_what_has_been_encoded_is_looked_up(tmp_path, monkeypatch):
    work, teacher = Workspace(Store(tmp_path)), TEACHERS.create("minilm", {"max_length": 16})
    first = teacher.embed_documents(COLLECTION, work)
    monkeypatch.setattr(type(teacher), "encoder", lambda _: pytest.fail("encoded again"))

    assert np.array_equal(first, teacher.embed_documents(COLLECTION, work))
    assert np.allclose(np.linalg.norm(first, axis=1), 1.0, atol=1e-6)


def test_an_interrupted_encoding_keeps_its_finished_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "_SHARD", 2)
    texts = tuple(f"text {index}" for index in range(5))
    collection = Collection("toy", texts, texts, (), (), {})
    teacher, seen = TEACHERS.create("minilm", {"max_length": 16}), []
    encode = dense.encode

    def interrupted(encoder, part, prompt="", batch_size=32):
        seen.append(part)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return encode(encoder, part, prompt, batch_size)

    monkeypatch.setattr(dense, "encode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        teacher.embed_documents(collection, Workspace(Store(tmp_path)))
    vectors = teacher.embed_documents(collection, Workspace(Store(tmp_path)))

    assert [part[0] for part in seen] == ["text 0", "text 2", "text 2", "text 4"]
    assert vectors.shape == (5, 384)


def test_another_length_or_prompt_is_another_teacher(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    settings = [{}, {"max_length": 64}, {"query_prompt": "query: "}, {"document_prompt": "query: "}]

    identities = {
        TEACHERS.create("sentence_transformer", {"path": str(tmp_path), **extra}).identity() for extra in settings
    }
    (tmp_path / "config.json").write_text("{ }")
    changed = TEACHERS.create("sentence_transformer", {"path": str(tmp_path)}).identity()

    assert len({*identities, changed}) == 5


def test_vectors_that_are_not_finite_are_refused():
    class Broken:
        def encode(self, texts, **settings):
            return np.array([[1.0, 0.0], [np.nan, 0.0]])

    with pytest.raises(NumericError, match="NaN or infinity for the text 'second'"):
        dense.encode(Broken(), ["first", "second"])


def test_a_hub_model_must_be_pinned_and_a_missing_folder_is_named():
    with pytest.raises(ConfigError, match="revision"):
        TEACHERS.create("sentence_transformer", {"model": "intfloat/e5-small"})
    with pytest.raises(ConfigError, match="either"):
        TEACHERS.create("sentence_transformer", {})
    with pytest.raises(ModelError, match="nowhere does not exist"):
        TEACHERS.create("sentence_transformer", {"path": "nowhere"}).identity()


def test_an_unreachable_hub_is_one_clear_error(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    teacher = TEACHERS.create("sentence_transformer", {"model": "nobody/nothing", "revision": "0" * 40})

    with pytest.raises(ModelError, match="cannot load the encoder nobody/nothing at 0000"):
        teacher.encoder()


def test_embeddings_are_mapped_and_stand_in_the_order_of_the_texts(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "_SHARD", 3)
    monkeypatch.setattr(shards, "_WINDOW", 6)
    texts = tuple("word " * (length + 1) for length in (3, 0, 5, 3, 9, 1, 2, 0, 4, 7))
    collection = Collection("toy", tuple(map(str, range(10))), texts, (), (), {})
    teacher, told = TEACHERS.create("minilm", {"max_length": 16}), []

    work = Workspace(Store(tmp_path), lambda *progress: told.append(progress))
    vectors = teacher.embed_documents(collection, work)

    assert isinstance(vectors, np.memmap)
    assert np.allclose(vectors, dense.encode(teacher.encoder(), texts), atol=1e-5)
    assert np.array_equal(vectors[[0, 1]], vectors[[3, 7]])
    assert told == [("encoding documents", done, 8) for done in (0, 3, 3, 6, 6, 8)]


def test_texts_of_one_length_are_encoded_together_longest_first(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "_SHARD", 2)
    monkeypatch.setattr(shards, "_WINDOW", 4)
    parts = []

    def lengths(part):
        parts.append(part)
        return np.array([len(text) for text in part], dtype=np.float32)

    texts = ["a", "aaa", "aaaa", "aa", "aaaaaaa", "aaaaa"]
    result = np.zeros(6)
    for position, values in shards.in_shards(texts, lengths, "".join, Workspace(Store(tmp_path)), ""):
        result[position] = values

    assert parts == [["aaaa", "aaa"], ["aa", "a"], ["aaaaaaa", "aaaaa"]]
    assert result.tolist() == [1, 3, 4, 2, 7, 5]


def test_a_pair_has_the_very_score_of_the_search(tmp_path):
    texts = ("a cat", "", "a dog", "a cat", "two dogs")
    collection = Collection("toy", ("d", "q", "b", "a", "c"), texts, ("q", "r"), ("kitten", "a cat"), {})
    work, teacher = Workspace(Store(tmp_path)), TEACHERS.create("minilm", {"max_length": 16})
    queries = np.array([1, 0], dtype=np.int32)

    found = teacher.search(collection, queries, 7, work)

    scores = teacher.score(collection, np.repeat(queries, 5), found.document[:, :5].ravel(), work)
    assert np.array_equal(scores.reshape(2, 5), found.score[:, :5])
    assert found.document[0, :2].tolist() == [3, 0]
    assert found.document[:, 5:].tolist() == [[-1, -1]] * 2
    assert found.score[0, 0] == found.score[0, 1]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_lower_precision_gives_nearby_float32_unit_vectors_of_their_own_identity(tmp_path, dtype):
    work, folder = Workspace(Store(tmp_path)), str(minilm_folder())
    teachers = [TEACHERS.create("sentence_transformer", {"path": folder, **extra}) for extra in ({}, {"dtype": dtype})]

    full, low = (teacher.embed_documents(COLLECTION, work) for teacher in teachers)

    assert teachers[0].identity() != teachers[1].identity()
    assert low.dtype == np.float32
    assert np.allclose(np.linalg.norm(low, axis=1), 1.0, atol=1e-6)
    assert not np.array_equal(full, low)
    assert np.allclose(full, low, atol=0.01)
