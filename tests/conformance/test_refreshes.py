"""What every registered refresh must do, whatever its schedule."""

from pathlib import Path

import numpy as np
import pytest

from harness.measures import RefreshRecord
from harness.parameters import parameters
from harness.pipeline import run
from harness.record import RunRecord, read_record, write_record
from harness.registry import REFRESHES
from harness.spec import Component
from harness.store import Store
from harness.teachers.base import Workspace
from harness.training.contrast import Contrast
from harness.training.refresh.base import Renewing, Searching
from harness.training.searched import Searched
from tests.training.refreshed import STEPS, part, run_spec

NAMES = REFRESHES.names()
RENEWING = [name for name in NAMES if issubclass(REFRESHES[name].factory, Renewing)]
EVERY = pytest.mark.parametrize("name", NAMES)
BATCHES = pytest.mark.parametrize(("module", "name"), [(Searched if n == "adore" else Contrast, n) for n in NAMES])


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(Store(tmp_path_factory.mktemp("store")))


def quick(name: str) -> Component:
    """Give a refresh parameters with which it comes into play within a dozen steps."""
    quick_ones = {"every": 2, "factor": 1.0, "ceiling": 1.0, "skip": 0, "depth": 20}
    known = {parameter.name for parameter in parameters(REFRESHES[name].factory)}
    return Component(name=name, params={key: value for key, value in quick_ones.items() if key in known})


def record(name: str, work: Workspace, seed: int = 0, **params: object) -> RunRecord:
    chosen = quick(name)
    chosen = chosen.model_copy(update={"params": chosen.params | params})
    miner = part("topk", k=2) if REFRESHES[name].factory.mines else None
    return run(run_spec(chosen, miner, seed), work)[0]


def untimed(found: RefreshRecord | None) -> RefreshRecord:
    assert found is not None
    return found.model_copy(update={"seconds": ()})


@EVERY
def test_every_entry_says_what_it_does_and_which_paper_it_follows(name: str) -> None:
    entry = REFRESHES[name]

    assert entry.summary.endswith(".")
    assert "arXiv:" in entry.paper
    assert issubclass(entry.factory, Renewing | Searching)


@EVERY
def test_the_same_seed_trains_the_same_and_another_does_not(name: str, work: Workspace) -> None:
    first, second, other = (record(name, work, seed) for seed in (0, 0, 1))

    assert first.losses == second.losses != other.losses
    assert first.metrics == second.metrics
    assert untimed(first.refresh) == untimed(second.refresh)


@EVERY
def test_negatives_change_and_the_record_says_when_and_how_many(name: str, work: Workspace, tmp_path: Path) -> None:
    made = record(name, work)
    found = made.refresh

    assert found is not None
    assert len(found.step) == len(found.seconds) == len(found.replaced) == len(found.changed) > 0
    assert list(found.step) == sorted(set(found.step))
    assert sum(found.replaced) > 0
    assert all(
        share is None or (share > 0) == (new > 0) for new, share in zip(found.replaced, found.changed, strict=True)
    )
    assert all(at is None or at > step for step, at in zip(found.step, found.first_used, strict=True))
    assert read_record(write_record(tmp_path, made, None)) == made


@BATCHES
def test_no_known_positive_is_ever_a_pair_s_own_negative(module, name, work, monkeypatch) -> None:
    seen = []
    batch = module.batch

    def recorded(self, *args):
        made = batch(self, *args)
        seen.append((self._data, made))
        return made

    monkeypatch.setattr(module, "batch", recorded)
    monkeypatch.setattr(module, "_enter", lambda *_: None, raising=False)
    record(name, work)

    assert len(seen) == STEPS
    for _, made in seen:
        own = made.allowed.gather(1, made.own)
        similarity = made.similarity.gather(1, made.own)
        twin = (similarity - made.positive[:, None]).abs() < 1e-6
        assert own.any()
        assert not (own & twin).any()


@pytest.mark.parametrize("name", RENEWING)
def test_a_schedule_longer_than_the_training_is_static_mining_exactly(name: str, work: Workspace) -> None:
    static = run(run_spec(None, part("topk", k=2)), work)[0]

    late, at_the_end = (record(name, work, every=every) for every in (STEPS + 1, STEPS))

    for made in (late, at_the_end):
        assert made.losses == static.losses
        assert made.metrics == static.metrics
        assert made.negatives_hash == static.negatives_hash
        assert made.refresh == RefreshRecord(staleness_mean=(STEPS - 1) / 2, staleness_max=STEPS - 1)
    assert static.refresh is None
    assert "refresh" not in static.model_dump()


@pytest.mark.parametrize("name", RENEWING)
def test_a_renewal_writes_to_nothing_that_it_is_given(name: str, work: Workspace, monkeypatch) -> None:
    from harness.training.data import Feed

    negatives = Feed.negatives.fget

    def locked(self):
        found = negatives(self)
        found.setflags(write=False)
        return found

    monkeypatch.setattr(Feed, "negatives", property(locked))

    assert np.isfinite(record(name, work).losses).all()
