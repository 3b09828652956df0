import numpy as np
import pandas as pd
import pytest
import torch

from harness.losses.info_nce import InfoNCE
from harness.pipeline import attempt
from harness.record import TRACE_COLUMNS
from harness.spec import ArmSpec, Component, MiningSpec, RunSpec, TrainingSpec
from harness.store import Store
from harness.teachers.base import Workspace
from harness.training.trace import Trace
from tests.losses.batches import batch

SIMILARITY = torch.tensor([[0.9, 0.3, 0.5, -0.1], [0.2, 0.8, 0.4, 0.6]])


def test_a_trace_is_what_brute_force_gives():
    allowed = torch.tensor([[True, True, False, True], [True, True, True, True]])
    seen = batch(SIMILARITY, allowed)
    trace = Trace()

    trace.epoch = 2
    trace.note(np.array([7, 3], dtype=np.int32), seen, InfoNCE()(seen))
    table = trace.table()

    assert table.epoch.tolist() == [2, 2]
    assert table.pair.tolist() == [7, 3]
    assert table.positive == pytest.approx([0.9, 0.8])
    assert table.negative_mean == pytest.approx([np.mean([0.3, -0.1]), np.mean([0.2, 0.4, 0.6])])
    assert table.negative_variance == pytest.approx([np.var([0.3, -0.1]), np.var([0.2, 0.4, 0.6])])
    assert table.loss == pytest.approx(InfoNCE()(seen).tolist())


def test_a_pair_without_negatives_has_no_mean():
    seen = batch(SIMILARITY[:1], torch.tensor([[True, False, False, False]]))
    trace = Trace()

    trace.note(np.array([0], dtype=np.int32), seen, InfoNCE()(seen))

    assert np.isnan(trace.table().negative_mean).all()
    assert np.isnan(trace.table().negative_variance).all()


def test_a_trace_carries_no_gradient_and_goes_on_from_what_it_remembered():
    similarity = SIMILARITY.clone().requires_grad_()
    seen = batch(similarity)
    first, second = Trace(), Trace()

    first.note(np.array([0, 1], dtype=np.int32), seen, InfoNCE()(seen))
    second.recall(first.remember())
    second.epoch = 1
    second.note(np.array([1, 0], dtype=np.int32), seen, InfoNCE()(seen))

    assert all(not row.requires_grad for _, _, row in second._batches)
    assert second.table().epoch.tolist() == [0, 0, 1, 1]
    assert second.table().pair.tolist() == [0, 1, 1, 0]


def test_a_trace_of_nothing_is_empty():
    assert len(Trace().table().pair) == 0


@pytest.mark.parametrize("refresh", [None, "adore"])
def test_a_run_leaves_the_scores_of_every_pair_in_every_epoch(tmp_path, refresh):
    mining = None if refresh else MiningSpec(teacher=Component(name="bm25"), miner=Component(name="topk"), depth=20)
    chosen = None if refresh is None else Component(name=refresh)
    training = TrainingSpec(epochs=2, batch_size=8, refresh=chosen)
    arm = ArmSpec(name="arm", base=Component(name="static"), max_length=32, mining=mining, training=training)
    dataset = Component(name="synthetic", params={"queries": 40, "documents": 240})
    spec = RunSpec(arm=arm, dataset=dataset, seed=0, identities={})

    record = attempt(spec, Workspace(Store(tmp_path / "store")), tmp_path / "runs")
    trace = pd.read_parquet(tmp_path / "runs" / record.fingerprint / "trace.parquet")

    assert tuple(trace.columns) == TRACE_COLUMNS
    assert trace["epoch"].tolist() == [0] * record.pairs + [1] * record.pairs
    assert (trace.groupby(["epoch", "query_id", "document_id"]).size() == 1).all()
    steps = trace.groupby(np.arange(len(trace)) // 8)["loss"].mean()
    assert steps.to_numpy() == pytest.approx(record.losses, rel=1e-4)
