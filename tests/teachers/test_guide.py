from dataclasses import dataclass, field

import numpy as np
import pytest

from harness.collection import Collection
from harness.errors import ConfigError, NumericError
from harness.registry import TEACHERS
from harness.spec import Component
from harness.store import Store
from harness.teachers.base import Workspace
from harness.teachers.guide import StoredGuide

COLLECTION = Collection("toy", ("a", "b", "c"), ("one", "two", "three"), ("x", "y"), ("first", "second"), {})
QUERY = np.array([1, 0, 1, 0], dtype=np.int32)
DOCUMENT = np.array([2, 0, 0, 0], dtype=np.int32)


@dataclass
class Asked:
    """Scores a pair by its indices, and notes what it was asked for."""

    bad: bool = False
    asked: list[tuple[int, int]] = field(default_factory=list)

    def score(self, collection, queries, documents, work):
        pairs = list(zip(queries.tolist(), documents.tolist(), strict=True))
        self.asked += pairs
        return np.array([np.nan if self.bad else 10 * query + document for query, document in pairs], dtype=np.float32)


@dataclass
class Embedding:
    """Embeds texts as given vectors."""

    def embed_queries(self, collection, work):
        return np.array([[1.0, 0.0], [0.6, 0.8]], dtype=np.float32)

    def embed_documents(self, collection, work):
        return np.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]], dtype=np.float32)


def guide(monkeypatch, tmp_path, teacher):
    monkeypatch.setattr(type(TEACHERS), "create", lambda self, name, params: teacher)
    return StoredGuide(Component(name="stand_in"), COLLECTION, Workspace(Store(tmp_path)))


def test_scores_of_a_teacher_that_does_not_embed_are_asked_for_once_each(monkeypatch, tmp_path):
    teacher = Asked()
    made = guide(monkeypatch, tmp_path, teacher)

    first = made.score(QUERY, DOCUMENT)
    second = made.score(QUERY[::-1], np.array([1, 0, 0, 2], dtype=np.int32))

    assert first.tolist() == [12.0, 0.0, 10.0, 0.0]
    assert second.tolist() == [1.0, 10.0, 0.0, 12.0]
    assert sorted(teacher.asked) == [(0, 0), (0, 1), (1, 0), (1, 2)]


def test_scores_of_a_teacher_that_embeds_are_cosines(monkeypatch, tmp_path):
    made = guide(monkeypatch, tmp_path, Embedding())

    assert made.score(QUERY, DOCUMENT) == pytest.approx([0.96, 1.0, 0.6, 1.0], abs=1e-6)
    assert made.embed_queries().shape == (2, 2)
    assert made.embed_documents().shape == (3, 2)


def test_a_teacher_that_does_not_embed_guides_nothing_within_the_batch(monkeypatch, tmp_path):
    made = guide(monkeypatch, tmp_path, Asked())

    with pytest.raises(ConfigError, match="stand_in embeds no texts"):
        made.embed_documents()


def test_a_score_that_is_not_finite_is_refused_by_name(monkeypatch, tmp_path):
    made = guide(monkeypatch, tmp_path, Asked(bad=True))

    with pytest.raises(NumericError, match="stand_in scored toy with NaN"):
        made.score(QUERY, DOCUMENT)
