import pytest

from harness.evaluation.sets import expanded, set_names, split_label
from harness.spec import Component


def task(name: str, **params: str) -> Component:
    return Component(name="mteb_task", params={"task": name, "subset": "default", "test": "test", **params})


@pytest.mark.parametrize(
    ("sets", "names"),
    [
        ([Component(name="docstrings")], ["docstrings"]),
        ([Component(name="beir_folder", params={"path": "data/scifact/"})], ["scifact"]),
        ([task("SciFact"), task("SciFact", test="train")], ["SciFact", "SciFact-train"]),
        ([task("MIRACL", subset="de")], ["MIRACL-de"]),
        ([Component(name="synthetic")] * 3, ["synthetic", "synthetic #2", "synthetic #3"]),
    ],
)
def test_a_set_is_called_by_its_folder_task_or_source(sets, names):
    assert set_names(sets) == names


def test_the_rows_of_a_set_have_a_split_of_their_own():
    assert split_label("test", "scifact") == "test@scifact"


def test_plain_datasets_stand_for_themselves():
    params = {"queries": 40, "documents": 240}
    one = Component(name="synthetic", params=params)

    assert expanded([one, Component(name="docstrings"), one]) == (one, Component(name="docstrings"))
