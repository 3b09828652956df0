from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import QUICKSTART, Arm, Sweep, mined

from harness.reporting import notation
from harness.reporting.answer import answer, plain_text
from harness.reporting.tables import Analysis, analyse
from harness.spec import RangeSpec, RepairAction, RepairSpec, SearchSpec, SuspectSpec

SMALL = Sweep(arms=QUICKSTART[1:6], test=80, dev=40)


def _text(sweep: Sweep, folder: Path) -> str:
    said = answer(analyse(sweep.write(folder)))
    return plain_text(said.sentences) + " " + plain_text(said.further)


def test_the_answer_is_made_of_the_tables_numbers(analysis: Analysis) -> None:
    best = analysis.tables[0].rows[0]

    said = plain_text(answer(analysis).sentences)

    assert said == (
        f"Of 10 ways of choosing negatives, {best.arm} scores highest: nDCG@10 {notation.interval(best.score)}. "
        f"Against topk that is {notation.signed_interval(best.difference)}, p < 0.001: beyond noise."
    )


def test_it_says_what_contamination_did(analysis: Analysis) -> None:
    said = plain_text(answer(analysis).further)

    assert "runs from 0.0 % (oracle) to 10.0 % (topk)" in said
    assert "removing exactly these (oracle) changes nDCG@10 by " in said


def test_names_are_the_odd_pieces_of_a_sentence(analysis: Analysis) -> None:
    arms = {arm.name for arm in analysis.results.plan.arms}
    said = answer(analysis)

    named = [piece for sentence in (*said.sentences, *said.further) for piece in sentence[1::2]]
    assert named
    assert set(named) <= arms


def test_a_difference_within_noise_is_called_so(tmp_path: Path) -> None:
    arms = (Arm("topk", mined("topk"), 0.5, 0.1), Arm("random", mined("random"), 0.503, 0.0))

    said = _text(replace(SMALL, arms=arms), tmp_path)

    assert "no difference beyond noise" in said or "That is the baseline itself" in said


def test_without_a_baseline_it_says_that_nothing_was_planned(tmp_path: Path) -> None:
    assert "No comparison was planned beforehand" in _text(replace(SMALL, baseline=None), tmp_path)


def test_one_arm_is_reported_without_a_contest(tmp_path: Path) -> None:
    said = _text(replace(SMALL, arms=SMALL.arms[2:3]), tmp_path)

    assert said.startswith("One way of choosing negatives was measured, topk: nDCG@10 ")


def test_one_seed_is_not_called_noise_nor_proof(tmp_path: Path) -> None:
    arms = (Arm("topk", mined("topk"), 0.4, 0.1), Arm("random", mined("random"), 0.6, 0.0))

    assert "with one seed its spread over seeds is unknown" in _text(replace(SMALL, arms=arms, seeds=(0,)), tmp_path)


def test_several_datasets_are_counted(tmp_path: Path) -> None:
    arms = (Arm("topk", mined("topk"), 0.4, 0.1), Arm("random", mined("random"), 0.6, 0.0))

    said = _text(replace(SMALL, arms=arms, datasets=("a", "b", "c")), tmp_path)

    assert "on average over 3 datasets: better beyond noise on 3 of 3 datasets." in said


def test_arms_that_left_no_numbers_are_mentioned(tmp_path: Path) -> None:
    said = _text(replace(SMALL, failed=[("random", 0), ("random", 1), ("random", 2)]), tmp_path)

    assert "Of 4 ways of choosing negatives (1 more left no full set of numbers)" in said


def test_nothing_finished_leaves_the_question_open(tmp_path: Path) -> None:
    failed = [(arm.name, seed) for arm in SMALL.arms for seed in SMALL.seeds]

    assert "the question stays open" in _text(replace(SMALL, failed=failed), tmp_path)


def test_a_failed_baseline_is_no_comparison(tmp_path: Path) -> None:
    said = _text(replace(SMALL, failed=[("topk", seed) for seed in SMALL.seeds]), tmp_path)

    assert "The baseline, topk, left no numbers to compare it with." in said


def test_without_audits_contamination_is_unknown(tmp_path: Path) -> None:
    said = _text(replace(SMALL, arms=SMALL.arms[:1], baseline=None), tmp_path)

    assert "contamination is unknown" in said


def test_a_winning_oracle_is_not_passed_off_as_a_method(tmp_path: Path) -> None:
    arms = (*SMALL.arms, Arm("oracle", mined("oracle"), 0.8, 0.0))

    said = _text(replace(SMALL, arms=arms), tmp_path)

    assert "oracle scores highest" in said
    assert "which nobody has in practice; the best that does not is " in said


@pytest.mark.parametrize("action", ["drop_negative", "relabel_positive"])
def test_a_repair_by_the_truth_is_an_oracle_but_only_dropping_removes_exactly_the_hidden(
    tmp_path: Path, action: RepairAction
) -> None:
    arms = (
        *(arm for arm in SMALL.arms if arm.name != "oracle"),
        Arm("by truth", mined("topk"), 0.8, 0.0, repair=RepairSpec(action=action, suspect="truth")),
        Arm("by score", mined("topk"), 0.9, 0.0, repair=RepairSpec(action=action, suspect=SuspectSpec(margin=0.0))),
    )

    best = _text(replace(SMALL, arms=arms[:-1]), tmp_path / "best")
    second = _text(replace(SMALL, arms=arms), tmp_path / "second")

    assert "which nobody has in practice; the best that does not is " in best
    assert "which nobody has in practice" not in second
    assert ("removing exactly these (by truth)" in second) == (action == "drop_negative")


@pytest.mark.parametrize("done", [True, False])
def test_a_search_is_told_with_its_points(tmp_path: Path, done: bool) -> None:  # noqa: FBT001
    points = tuple(Arm(f"percpos #{n} (share={s})", mined("topk_percpos", share=s)) for n, s in enumerate((0.5, 0.9)))
    search = SearchSpec(arm="percpos", trials=3, space={"miner.share": RangeSpec(low=0.5, high=1.0)})

    said = _text(replace(SMALL, arms=(*SMALL.arms, *(points if done else ())), search=search), tmp_path)

    expected = "tried 2 of 3 points; best on dev is percpos #" if done else "none has finished"
    assert expected in said
