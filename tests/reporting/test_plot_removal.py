from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic_tables as tables
from synthetic import QUICKSTART, Arm, Sweep, mined

from harness.reporting.plots import agreement, removal, tradeoff
from harness.reporting.tables import analyse

SMALL = Sweep(arms=QUICKSTART, test=9, dev=9, seeds=(0, 1))


def test_the_frontier_holds_what_no_other_beats_in_both() -> None:
    places = [(0.1, 0.02), (0.2, 0.05), (0.2, 0.06), (0.05, 0.02), (0.1, 0.02)]

    assert [tradeoff.on_frontier(place, places) for place in places] == [True, True, False, False, True]


def test_an_oracle_is_a_bound_and_keeps_no_arm_off_the_frontier(tmp_path: Path) -> None:
    arms = [
        Arm("perfect", mined("oracle"), contamination=0.0, hardness=0.3),
        Arm("blind", mined("random"), contamination=0.001, hardness=-0.5),
        Arm("clean", mined("topk_percpos"), contamination=0.002, hardness=-0.1),
        Arm("dirty", mined("topk_abs"), contamination=0.05, hardness=-0.2),
        Arm("lexical", mined("topk"), contamination=0.09, hardness=-3.0, teacher="bm25"),
    ]
    analysis = analyse(replace(SMALL, arms=arms, baseline=None).write(tmp_path))

    (data,) = tradeoff.compute(analysis)

    minilm, bm25 = data.panels
    found = {arm.arm: (arm.hardness, arm.contamination, arm.role, arm.frontier) for arm in minilm.arms}
    assert found == {
        "perfect": (0.3, 0.0, "oracle", False),
        "blind": (-0.5, 0.001, "random", True),
        "clean": (-0.1, 0.002, "", True),
        "dirty": (-0.2, 0.05, "", False),
    }
    assert (minilm.teacher, bm25.teacher) == ("minilm", "bm25")
    assert bm25.arms[0].frontier


def test_at_most_twelve_points_a_teacher_are_named(tmp_path: Path) -> None:
    arms = [Arm(f"arm {n}", mined("topk"), contamination=0.002 * n) for n in range(1, 30)]
    analysis = analyse(Sweep(arms=arms, baseline="arm 9", seeds=(0,), test=9, dev=9).write(tmp_path))

    (data,) = tradeoff.compute(analysis)

    assert sum(arm.labelled for arm in data.panels[0].arms) == 12
    assert next(arm for arm in data.panels[0].arms if arm.arm == "arm 9").labelled
    assert "17 further points are named in the CSV" in tradeoff.tradeoff_caption(data)[1]
    assert len(tradeoff.tradeoff_rows(data)) == 29


def test_a_wilson_interval_is_that_of_the_textbook() -> None:
    share = removal.wilson(8, 10)

    # centre (p + z²/2n) / (1 + z²/n), half width z/(1 + z²/n) · sqrt(p(1 - p)/n + z²/4n²)
    z, n, p = 1.959963984540054, 10, 0.8
    centre, scale = (p + z**2 / (2 * n)) / (1 + z**2 / n), z / (1 + z**2 / n)
    half = scale * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert (share.low, share.value, share.high) == pytest.approx((centre - half, 0.8, centre + half))


def test_removal_has_precision_recall_and_the_base_rate_of_pairs_times_depth(tmp_path: Path) -> None:
    analysis = analyse(SMALL.write(tmp_path))

    (data,) = removal.compute(analysis)

    arm = next(arm for arm in data.arms if arm.arm == "topk")
    assert (arm.removed, arm.hit, arm.hidden) == (1200, 300, 900)
    assert (arm.precision.value, arm.recall.value) == pytest.approx((0.25, 1 / 3))
    assert arm.base_rate == pytest.approx(900 / (2000 * 100))
    assert {arm.arm for arm in data.arms} == {arm.name for arm in QUICKSTART if arm.miner is not None}
    assert len(removal.removal_rows(data)) == len(data.arms)


def test_arms_that_remove_nothing_are_not_shown(tmp_path: Path) -> None:
    folder = SMALL.write(tmp_path)
    for path in folder.glob("runs/*/record.json"):
        path.write_text(path.read_text().replace('"removed": 1200', '"removed": 0'))

    assert removal.compute(analyse(folder)) == ()


def test_the_jaccard_index_is_intersection_over_union() -> None:
    sets = [np.array(each, dtype=np.uint64) for each in ([1, 2, 3], [2, 3, 4, 5], [9], [])]

    index = agreement.jaccard_matrix(sets)

    assert index[0].tolist() == pytest.approx([1.0, 2 / 5, 0.0, 0.0])
    assert index.tolist() == index.T.tolist()
    assert index[3, 3] == 1.0


def test_similar_arms_stand_together() -> None:
    index = np.eye(4)
    index[0, 2] = index[2, 0] = 0.9
    index[1, 3] = index[3, 1] = 0.8

    order = agreement.similar_together(index)

    assert sorted(order) == [0, 1, 2, 3]
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 2}), frozenset({1, 3})}


def test_agreement_is_of_triples_at_the_first_common_seed(tmp_path: Path) -> None:
    folder = replace(SMALL, arms=QUICKSTART[2:5], kept=True).write(tmp_path)
    analysis = analyse(folder)
    for run in analysis.results.plan.runs:
        if run.seed == 0 and run.arm == "topk":
            (folder / "runs" / run.fingerprint / "negatives.parquet").unlink()
        if run.seed == 1 and run.arm == "topk":
            tables.keep(tables.negatives(3), folder / "runs" / run.fingerprint / "negatives.parquet")

    (data,) = agreement.compute(analysis)

    assert data.seed == 1
    place = {name: at for at, name in enumerate(data.arms.names)}
    # documents 0 to 3 against 3 to 6: one of seven
    assert data.arms.jaccard[place["random"], place["topk"]] == pytest.approx(1 / 7)
    assert data.arms.jaccard[place["topk"], place["topk shifted 10"]] == pytest.approx(3 / 5)
    assert data.teachers is None
    assert len(agreement.agreement_rows(data)) == 3


def test_teachers_agree_over_the_arms_that_differ_in_the_teacher_alone(tmp_path: Path) -> None:
    arms = [
        Arm("dense topk", mined("topk")),
        Arm("lexical topk", mined("topk"), teacher="bm25"),
        Arm("dense random", mined("random")),
        Arm("lexical random", mined("random"), teacher="bm25"),
        Arm("lexical shifted", mined("topk_shifted", shift=3), teacher="bm25"),
    ]
    folder = replace(SMALL, arms=arms, baseline=None, seeds=(0,), kept=True).write(tmp_path)

    (data,) = agreement.compute(analyse(folder))

    assert data.teachers is not None
    assert set(data.teachers.names) == {"minilm", "bm25"}
    # each arm is shifted by one against the one before it: three of five documents in common
    assert data.teachers.jaccard[0].tolist() == pytest.approx([1.0, 3 / 5])
    assert {row["what"] for row in agreement.agreement_rows(data)} == {"arm", "teacher"}
    assert len(agreement.teacher_agreement_rows(data)) == 1


def test_without_kept_negatives_there_is_no_agreement(tmp_path: Path) -> None:
    folder = SMALL.write(tmp_path)

    assert agreement.compute(analyse(folder)) == ()
