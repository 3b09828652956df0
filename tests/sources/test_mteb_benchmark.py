"""Benchmarks of mteb as lists of tasks; no hub is asked."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from harness.errors import ConfigError
from harness.evaluation.sets import expanded, set_names
from harness.sources.mteb_benchmark import MtebBenchmark
from harness.spec import Component

mteb = pytest.importorskip("mteb")
NANO = Component(name="mteb_benchmark", params={"benchmark": "NanoBEIR"})


def test_a_benchmark_stands_for_its_retrieval_tasks_at_their_splits():
    sets = MtebBenchmark(benchmark="NanoBEIR").sets()

    assert len(sets) == 13
    assert {each.name for each in sets} == {"mteb_task"}
    assert sets[0].params["task"].startswith("Nano")
    assert {(each.params["train"], each.params["dev"], each.params["test"]) for each in sets} == {("-", "-", "train")}


def test_what_is_no_retrieval_of_texts_is_left_out():
    sets = MtebBenchmark(benchmark="MTEB(eng, v2)").sets()

    names = {each.params["task"] for each in sets}
    assert "ArguAna" in names
    assert not names & {"Banking77Classification", "AskUbuntuDupQuestions"}
    assert len(names) == 10


def test_every_subset_and_split_of_a_task_is_a_set(monkeypatch):
    task = mteb.get_task("MIRACLRetrieval", languages=["deu", "fra"], eval_splits=["dev"])
    monkeypatch.setattr(mteb, "get_benchmark", lambda name: SimpleNamespace(tasks=[task]))

    sets = MtebBenchmark(benchmark="mine").sets()

    assert [(each.params["subset"], each.params["test"]) for each in sets] == [("de", "dev"), ("fr", "dev")]
    assert set_names(sets) == ["MIRACLRetrieval-de-dev", "MIRACLRetrieval-fr-dev"]


def test_an_unknown_benchmark_is_answered_with_a_suggestion():
    with pytest.raises(ConfigError, match=r"^mteb has no benchmark 'NanoBEI'; did you mean 'NanoBEIR'\?$"):
        MtebBenchmark(benchmark="NanoBEI").sets()


def test_a_benchmark_without_retrieval_is_refused(monkeypatch):
    monkeypatch.setattr(mteb, "get_benchmark", lambda name: SimpleNamespace(tasks=[]))

    with pytest.raises(ConfigError, match="the mteb benchmark empty holds no retrieval of texts"):
        MtebBenchmark(benchmark="empty").sets()


def test_a_benchmark_is_no_collection_of_its_own():
    with pytest.raises(ConfigError, match="stands for several collections, here the tasks of NanoBEIR"):
        MtebBenchmark(benchmark="NanoBEIR").load()


def test_listing_a_benchmark_leaves_the_generators_as_they_were():
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002  # the global one
    torch.manual_seed(7)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002

    MtebBenchmark(benchmark="NanoBEIR").sets()

    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    assert after == before


def test_a_task_that_a_benchmark_repeats_is_evaluated_once():
    nano = expanded([NANO])

    assert expanded([nano[3], NANO]) == (nano[3], *nano[:3], *nano[4:])


def test_the_identity_of_a_benchmark_is_its_name_at_the_version_of_mteb():
    identities = {MtebBenchmark(benchmark=name).identity() for name in ("BEIR", "NanoBEIR", "BEIR")}

    assert len(identities) == 2
