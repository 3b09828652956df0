import pytest

from harness.registry import TEACHERS, Entry
from tests.teachers.nested import Listed


@pytest.fixture(scope="module", autouse=True)
def listed_teacher():
    """Register the teacher `listed` while a module of these tests runs."""
    TEACHERS.names()
    TEACHERS._entries["listed"] = Entry("listed", Listed, "")
    yield
    del TEACHERS._entries["listed"]
