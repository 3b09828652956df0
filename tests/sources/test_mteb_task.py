"""Tasks of mteb, made in memory: the hub is out of reach of a test."""

import random

import numpy as np
import pytest
import torch

from harness.errors import ConfigError, DataError
from harness.sources.mteb_task import MtebTask, generators_kept

mteb = pytest.importorskip("mteb")
REVISION = "0123456789abcdef"


def made(splits, load=None):
    """Return a class of tasks whose data is `splits`."""
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

    class Local(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="LocalRetrieval",
            dataset={"path": "local/none", "revision": REVISION},
            description="a made-up collection",
            reference=None,
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            eval_splits=list(splits),
            eval_langs=["eng-Latn"],
            main_score="ndcg_at_10",
            date=None,
            domains=None,
            task_subtypes=None,
            license=None,
            annotations_creators=None,
            dialect=None,
            sample_creation=None,
            bibtex_citation=None,
        )

        def load_data(self, num_proc=None, **kwargs):
            if load is not None:
                load()
            self.dataset = {"default": {name: splits[name] for name in self.eval_splits}}
            self.data_loaded = True

    return Local


def part(corpus, queries, relevant):
    from datasets import Dataset

    return {
        "corpus": Dataset.from_list(corpus),
        "queries": Dataset.from_list(queries),
        "relevant_docs": relevant,
        "top_ranked": None,
    }


CORPUS = [{"id": "a", "title": "Planets", "text": "Jupiter."}, {"id": "b", "title": "", "text": "Paris."}]


@pytest.fixture
def task(monkeypatch):
    def use(splits, load=None):
        local = made(splits, load)
        monkeypatch.setattr(mteb, "get_task", lambda name: local())
        return MtebTask(task="LocalRetrieval")

    return use


def test_a_task_becomes_a_collection_that_bears_its_revision(task):
    source = task(
        {
            "train": part(CORPUS, [{"id": "q1", "text": "largest planet"}], {"q1": {"a": 2, "b": 0}}),
            "test": part(CORPUS, [{"id": "q2", "text": "capital", "instruction": "of France"}], {"q2": {"b": 1}}),
            "other": part(CORPUS, [{"id": "q3", "text": "never read"}], {"q3": {"b": 1}}),
        }
    )

    found = source.load()

    assert found.name == f"LocalRetrieval@{REVISION}"
    assert dict(zip(found.document_ids, found.document_texts, strict=True)) == {"a": "Planets Jupiter.", "b": "Paris."}
    assert found.query_texts == ("largest planet", "capital of France")
    train, test = found.split("train"), found.split("test")
    assert [train.query.tolist(), train.document.tolist(), train.grade.tolist()] == [[0, 0], [0, 1], [2, 0]]
    assert [test.query.tolist(), test.document.tolist(), test.grade.tolist()] == [[1], [1], [1]]
    assert set(found.splits) == {"train", "test"}


def test_the_splits_of_a_task_can_be_renamed(task, monkeypatch):
    task({"validation": part(CORPUS, [{"id": "q1", "text": "x"}], {"q1": {"a": 1}})})

    found = MtebTask(task="LocalRetrieval", dev="validation").load()

    assert set(found.splits) == {"dev"}


def test_a_task_without_the_splits_asked_for_says_which_it_has(task):
    source = task({"validation": part(CORPUS, [{"id": "q1", "text": "x"}], {"q1": {"a": 1}})})

    with pytest.raises(DataError, match="it has the splits validation, none of train, dev, test"):
        source.load()


def test_global_generators_go_on_as_if_no_task_had_been_made(task):
    def reseed():
        mteb._set_seed._set_seed(42)

    source = task({"test": part(CORPUS, [{"id": "q1", "text": "x"}], {"q1": {"a": 1}})}, reseed)

    def drawn():
        return random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002, S311  # the global one

    random.seed(7)  # not 42, which mteb would set
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    expected = drawn()
    random.setstate(kept[0])
    np.random.set_state(kept[1])  # noqa: NPY002
    torch.set_rng_state(kept[2])
    source.load()

    assert drawn() == expected


def test_generators_are_restored_after_an_error():
    before = torch.get_rng_state()

    def fail():
        with generators_kept():
            torch.manual_seed(1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_hub_out_of_reach_is_one_line(task):
    def fail():
        raise ConnectionError("Couldn't reach the Hub\nand much more")

    source = task({"test": part(CORPUS, [{"id": "q1", "text": "x"}], {"q1": {"a": 1}})}, fail)

    with pytest.raises(DataError) as caught:
        source.load()
    assert str(caught.value) == (
        f"cannot load the mteb task LocalRetrieval at revision {REVISION}: Couldn't reach the Hub"
    )


def test_a_real_task_is_looked_up_at_its_pinned_revision(monkeypatch):
    import datasets

    asked = []

    def fail(path, revision=None, **kwargs):
        asked.append((path, revision))
        raise ConnectionError("offline")

    monkeypatch.setattr(datasets, "get_dataset_config_names", fail)

    with pytest.raises(DataError, match="cannot load the mteb task NFCorpus at revision ec0fa4fe99da2ff19ca1214b7966"):
        MtebTask(task="NFCorpus").load()
    assert asked == [("mteb/nfcorpus", "ec0fa4fe99da2ff19ca1214b7966684033a58814")]


def test_a_split_that_the_hub_lacks_is_not_filled_with_another(monkeypatch):
    import datasets
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    loaded = []
    monkeypatch.setattr(datasets, "get_dataset_config_names", lambda path, revision: ["corpus", "queries", "default"])
    monkeypatch.setattr(datasets, "get_dataset_split_names", lambda path, config, revision: ["test"])

    def load_data(self, num_proc=None, **kwargs):
        loaded.extend(self.eval_splits)
        one = part(CORPUS, [{"id": "q1", "text": "x"}], {"q1": {"a": 1}})
        self.dataset = {"default": dict.fromkeys(self.eval_splits, one)}

    monkeypatch.setattr(AbsTaskRetrieval, "load_data", load_data)

    found = MtebTask(task="NFCorpus").load()

    assert loaded == ["test"]
    assert set(found.splits) == {"test"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (MtebTask(task="NFCorpu"), r"mteb has no task 'NFCorpu'; did you mean 'NFCorpus'\?"),
        (MtebTask(task="Banking77Classification"), "is no retrieval of texts but Classification, text"),
        (MtebTask(task="NFCorpus", subset="de"), r"has no subset 'de' \(allowed: default\)"),
    ],
)
def test_what_is_no_retrieval_task_is_refused(source, expected):
    with pytest.raises(ConfigError, match=expected):
        source.load()


@pytest.mark.parametrize(
    ("corpus", "relevant", "expected"),
    [
        ([{"id": "a", "text": "another"}], {"q1": {"a": 1}}, "'a' has two texts in different splits"),
        (CORPUS, {"q1": {"z": 1}}, "'q1', 'z' is judged but not in the data"),
        (CORPUS, {"q9": {"a": 1}}, "'q9', 'a' is judged but not in the data"),
        ([{"id": "z", "text": ["x"]}], {"q1": {"a": 1}}, "expected text for 'z'"),
    ],
)
def test_data_that_contradicts_itself_is_refused(task, corpus, relevant, expected):
    queries = [{"id": "q1", "text": "x"}]
    source = task({"train": part(CORPUS, queries, {"q1": {"a": 1}}), "test": part(corpus, queries, relevant)})

    with pytest.raises(DataError, match=expected):
        source.load()


def test_identity_depends_on_every_parameter_and_loads_nothing():
    usual = MtebTask(task="NFCorpus")
    others = [
        MtebTask(task="SciFact"),
        MtebTask(task="NFCorpus", subset="en"),
        MtebTask(task="NFCorpus", train="a"),
        MtebTask(task="NFCorpus", dev="a"),
        MtebTask(task="NFCorpus", test="a"),
    ]

    assert len({each.identity() for each in (usual, *others)}) == 6
    assert usual.identity() == MtebTask(task="NFCorpus").identity()
