"""A search whose dev queries stand behind a guard."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from synthetic import QUICKSTART, Arm, Sweep, mined

from harness.errors import ConfigError, DataError, StorageError
from harness.guarding import GuardedDev, answers_of
from harness.record import read_per_query
from harness.reporting.tables import analyse
from harness.spec import GuardSpec, PlannedRun, RangeSpec, SearchSpec, SweepPlan
from harness.sweep_files import read_plan

POINTS = tuple(
    Arm(f"tuned #{n} (share={s})", mined("topk_percpos", share=s), 0.5 + s / 5) for n, s in enumerate((0.5, 0.7, 0.9))
)


def _search(threshold: float = 0.04, scale: float = 0.0, budget: int = 5) -> SearchSpec:
    return SearchSpec(
        arm="tuned",
        trials=3,
        space={"miner.share": RangeSpec(low=0.5, high=1.0)},
        guard=GuardSpec(threshold=threshold, scale=scale, budget=budget),
    )


def _written(folder: Path, search: SearchSpec, dev: int = 300) -> SweepPlan:
    arms = (next(arm for arm in QUICKSTART if arm.name == "topk"), *POINTS)
    Sweep(arms=arms, seeds=(0, 1), search=search, dev=dev).write(folder)
    return read_plan(folder)


def _runs(plan: SweepPlan, point: int) -> list[PlannedRun]:
    return [run for run in plan.runs if run.arm == POINTS[point].name]


def _half(folder: Path, runs: list[PlannedRun], *, guarded: bool) -> float:
    means = []
    for run in runs:
        frame = read_per_query(folder / "runs" / run.fingerprint)
        dev = frame[frame["split"] == "dev"]
        odd = [hashlib.sha256(f"guard\x1f{query}".encode()).digest()[0] % 2 == 1 for query in dev["query_id"]]
        means.append(dev["ndcg_at_10"][np.array(odd) == guarded].mean())
    return float(np.mean(means))


def test_without_noise_the_free_half_answers_unless_the_guarded_one_contradicts_it(tmp_path: Path) -> None:
    plan = _written(tmp_path, _search())
    free, guarded = (_half(tmp_path, _runs(plan, 0), guarded=side) for side in (False, True))
    gap = abs(free - guarded)
    assert gap > 1e-4

    trusting = GuardedDev(tmp_path, _search(threshold=min(1.0, gap * 2)), "ndcg_at_10").answer(_runs(plan, 0))
    (tmp_path / "guard.json").unlink()
    strict = GuardedDev(tmp_path, _search(threshold=gap / 2), "ndcg_at_10").answer(_runs(plan, 0))

    assert trusting == pytest.approx(free)
    assert strict == pytest.approx(guarded)


def test_a_repeated_question_is_answered_from_memory_also_by_a_later_process(tmp_path: Path) -> None:
    plan = _written(tmp_path, _search(threshold=0.0, scale=0.01))
    first = GuardedDev(tmp_path, _search(threshold=0.0, scale=0.01), "ndcg_at_10")
    answers = [first.answer(_runs(plan, point)) for point in (0, 1)]
    kept = (tmp_path / "guard.json").read_bytes()

    later = GuardedDev(tmp_path, _search(threshold=0.0, scale=0.01), "ndcg_at_10")

    assert [later.answer(reversed(_runs(plan, point))) for point in (0, 1)] == answers
    assert (tmp_path / "guard.json").read_bytes() == kept


def test_a_search_that_was_cut_off_gets_the_answers_of_one_that_was_not(tmp_path: Path) -> None:
    search = _search(threshold=0.0, scale=0.02)
    plan = _written(tmp_path, search)
    whole = GuardedDev(tmp_path, search, "ndcg_at_10")
    expected = [whole.answer(_runs(plan, point)) for point in range(3)]
    (tmp_path / "guard.json").unlink()

    answers = [GuardedDev(tmp_path, search, "ndcg_at_10").answer(_runs(plan, point)) for point in range(3)]

    assert answers == expected


def test_an_exhausted_guard_still_tells_what_it_has_told(tmp_path: Path) -> None:
    search = _search(threshold=0.0, budget=1)
    plan = _written(tmp_path, search)
    guard = GuardedDev(tmp_path, search, "ndcg_at_10")
    answered = guard.answer(_runs(plan, 0))

    assert guard.can_answer(_runs(plan, 0))
    assert not guard.can_answer(_runs(plan, 1))
    assert guard.answer(_runs(plan, 0)) == answered
    with pytest.raises(ConfigError, match="used up after 1 question"):
        guard.answer(_runs(plan, 1))


def test_the_guarded_mean_is_written_nowhere(tmp_path: Path) -> None:
    plan = _written(tmp_path, _search(threshold=0.0, scale=0.01))

    GuardedDev(tmp_path, _search(threshold=0.0, scale=0.01), "ndcg_at_10").answer(_runs(plan, 0))

    guarded = _half(tmp_path, _runs(plan, 0), guarded=True)
    assert repr(guarded)[:12] not in (tmp_path / "guard.json").read_text()


def test_a_guard_that_was_begun_otherwise_is_not_gone_on_with(tmp_path: Path) -> None:
    plan = _written(tmp_path, _search())
    GuardedDev(tmp_path, _search(), "ndcg_at_10").answer(_runs(plan, 0))

    with pytest.raises(StorageError, match="give the sweep another name"):
        GuardedDev(tmp_path, _search(budget=50), "ndcg_at_10")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"guard": {}, "answers": {}, "settings": {}}'])
def test_a_file_that_holds_no_guard_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "guard.json").write_text(content)

    with pytest.raises((StorageError, ConfigError), match="guard"):
        GuardedDev(tmp_path, _search(), "ndcg_at_10")


def test_answers_that_are_no_mapping_are_refused(tmp_path: Path) -> None:
    plan = _written(tmp_path, _search())
    GuardedDev(tmp_path, _search(), "ndcg_at_10").answer(_runs(plan, 0))
    content = json.loads((tmp_path / "guard.json").read_text())
    (tmp_path / "guard.json").write_text(json.dumps({**content, "answers": [0.5]}))

    with pytest.raises(StorageError, match="must be mappings"):
        GuardedDev(tmp_path, _search(), "ndcg_at_10")


def test_one_dev_query_cannot_be_halved(tmp_path: Path) -> None:
    plan = _written(tmp_path, _search(), dev=1)

    with pytest.raises(DataError, match="halves the dev queries, but docstrings has 1"):
        GuardedDev(tmp_path, _search(), "ndcg_at_10").answer(_runs(plan, 0))


def test_a_search_without_a_guard_has_none(tmp_path: Path) -> None:
    open_search = _search().model_copy(update={"guard": None})
    plan = _written(tmp_path, open_search)

    assert answers_of(tmp_path, plan) == {}
    with pytest.raises(ValueError, match="without a guard"):
        GuardedDev(tmp_path, open_search, "ndcg_at_10")


def test_the_report_chooses_by_the_guards_answers_and_shows_no_dev_mean(tmp_path: Path) -> None:
    search = _search(threshold=0.0)
    plan = _written(tmp_path, search)
    guard = GuardedDev(tmp_path, search, "ndcg_at_10")
    answers = {POINTS[point].name: guard.answer(_runs(plan, point)) for point in (0, 1)}

    analysis = analyse(tmp_path)

    assert analysis.results.guarded == answers
    assert analysis.chosen == max(answers, key=lambda name: answers[name])
    assert {row.dev for row in analysis.tables[0].rows} == {None}


def test_without_a_guard_the_plan_and_its_digest_say_nothing_of_one() -> None:
    open_search = _search().model_copy(update={"guard": None})

    assert "guard" not in open_search.model_dump(mode="json")
    assert _search().model_dump(mode="json")["guard"] == {"threshold": 0.04, "scale": 0.0, "budget": 5}
