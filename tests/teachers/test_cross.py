import numpy as np
import pytest

from harness.errors import ConfigError, ModelError
from harness.mining.base import PADDING
from harness.mistakes import check
from harness.registry import TEACHERS
from harness.spec import Component
from harness.store import Store
from harness.teachers import shards
from harness.teachers.base import Workspace
from harness.teachers.cross import CrossEncoderTeacher
from tests.teachers.nested import listed, random_cross_encoder, words

COLLECTION = words(12, 3)
QUERIES = np.array([2, 0], dtype=np.int32)
TABLE = np.random.default_rng(3).integers(-2, 6, (3, 12))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(random_cross_encoder(tmp_path_factory.mktemp("models") / "cross"))


def teacher(model, **settings):
    return TEACHERS.create("cross_encoder", {"path": model, "first": listed(TABLE), **settings})


def test_the_first_teachers_candidates_come_in_the_order_of_the_new_scores(model, tmp_path):
    from sentence_transformers import CrossEncoder
    from torch.nn import Identity

    found = teacher(model).search(COLLECTION, QUERIES, 9, Workspace(Store(tmp_path)))

    first = TEACHERS.create("listed", listed(TABLE)["params"]).search(COLLECTION, QUERIES, 9, None)
    encoder = CrossEncoder(model, activation_fn=Identity())
    for row, query in enumerate(QUERIES):
        candidates = [document for document in first.document[row].tolist() if document != PADDING]
        texts = [(COLLECTION.query_texts[query], COLLECTION.document_texts[document]) for document in candidates]
        score = dict(zip(candidates, encoder.predict(texts).tolist(), strict=True))
        filled = found.document[row] != PADDING
        assert sorted(candidates) == sorted(found.document[row][filled].tolist())
        assert np.allclose(found.score[row][filled], [score[d] for d in found.document[row][filled]], atol=1e-5)
        assert (np.diff(found.score[row][filled]) <= 0).all()
        assert not filled[len(candidates) :].any()
        assert (found.score[row][~filled] == -np.inf).all()


def test_equal_texts_get_equal_scores_and_are_ordered_by_id(model, tmp_path):
    everything = {"first": listed(np.ones((3, 12)))}

    found = teacher(model, **everything).search(COLLECTION, QUERIES, 12, Workspace(Store(tmp_path)))

    assert COLLECTION.document_texts[0] == COLLECTION.document_texts[11]
    for row in range(2):
        twins = [place for place in range(12) if found.document[row, place] in (0, 11)]
        ids = [COLLECTION.document_ids[found.document[row, place]] for place in twins]
        assert found.score[row, twins[0]] == found.score[row, twins[1]]
        assert ids == sorted(ids)


def test_sigmoid_gives_the_probabilities_of_the_logits(model, tmp_path):
    work, documents = Workspace(Store(tmp_path)), np.array([4, 10], dtype=np.int32)

    logit = teacher(model).score(COLLECTION, QUERIES, documents, work)
    probability = teacher(model, activation="sigmoid").score(COLLECTION, QUERIES, documents, work)

    assert np.abs(logit).max() > 0.1
    assert np.allclose(probability, 1 / (1 + np.exp(-logit)), atol=1e-6)


def test_finished_shards_of_scores_are_not_computed_again(model, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "_SHARD", 4)
    work, pairs = Workspace(Store(tmp_path)), (np.zeros(12, np.int32), np.arange(12, dtype=np.int32))
    first = teacher(model).score(COLLECTION, *pairs, work)
    monkeypatch.setattr(CrossEncoderTeacher, "encoder", lambda _: pytest.fail("scored again"))

    assert np.array_equal(first, teacher(model).score(COLLECTION, *pairs, work))
    assert len([path for path in (tmp_path / "shards").iterdir() if path.is_dir()]) == 3


def test_whatever_the_scores_depend_on_is_part_of_the_identity(model, tmp_path):
    other = str(random_cross_encoder(tmp_path / "other", labels=2))
    settings = [{}, {"max_length": 64}, {"activation": "sigmoid"}, {"dtype": "bfloat16"}, {"first": listed(TABLE + 1)}]

    identities = {teacher(model, **extra).identity() for extra in settings} | {teacher(other).identity()}

    assert len(identities) == 6


def test_a_model_with_several_outputs_is_no_teacher(tmp_path):
    model = str(random_cross_encoder(tmp_path / "cross", labels=2))

    with pytest.raises(ModelError, match="gives 2 numbers for a pair"):
        teacher(model).encoder()


def test_the_first_teacher_must_exist_and_be_well_described(model):
    with pytest.raises(ConfigError, match="unknown teacher 'bm26'; did you mean 'bm25'"):
        teacher(model, first={"name": "bm26"})
    with pytest.raises(ConfigError, match=r"k1 must be in \[0.0, 10.0\], got 11"):
        teacher(model, first={"name": "bm25", "params": {"k1": 11}})
    assert "first is required" in str(check(CrossEncoderTeacher, {"path": model})[1][0])
    assert teacher(model, first={"name": "bm25"}).first == Component(name="bm25")


def test_a_cross_encoder_out_of_reach_is_one_clear_error(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    lost = TEACHERS.create(
        "cross_encoder", {"model": "nobody/nothing", "revision": "0" * 40, "first": {"name": "bm25"}}
    )

    with pytest.raises(ModelError, match="cannot load the cross-encoder nobody/nothing at 0000"):
        lost.encoder()
