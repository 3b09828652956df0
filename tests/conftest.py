"""What tests of mining share: one small collection and its BM25 pool."""

import pytest

from harness.arguments import component
from harness.mined import TeacherPool, teacher_pool
from harness.registry import TEACHERS
from harness.sources.synthetic import Synthetic
from harness.store import Store
from harness.teachers.base import Workspace


@pytest.fixture(scope="session")
def bm25_pool(tmp_path_factory: pytest.TempPathFactory) -> TeacherPool:
    work = Workspace(Store(tmp_path_factory.mktemp("store")))
    teacher = component(TEACHERS, "bm25", {})
    return teacher_pool(Synthetic().load(), teacher, split="train", depth=8, work=work)
