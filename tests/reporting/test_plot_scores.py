import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_tables as tables
from synthetic import QUICKSTART, Arm, Sweep, mined

from harness.errors import StorageError
from harness.reporting.plots import distributions, example_losses, gaps
from harness.reporting.plots.choice import chosen, left_out
from harness.reporting.tables import Analysis, analyse
from harness.spec import Component, TrainingSpec

SMALL = Sweep(arms=QUICKSTART[1:5], baseline="topk", test=20, dev=9, seeds=(0, 1))


def traced(folder: Path, arm: str, losses: dict[int, list[float]], seed: int = 0) -> None:
    """Replace the trace of a run by these losses per epoch."""
    run = next(run for run in analyse(folder).results.plan.runs if (run.arm, run.seed) == (arm, seed))
    frame = tables.trace(arm, seed)
    rows = [frame.head(len(values)).assign(epoch=epoch, loss=values) for epoch, values in losses.items()]
    tables.keep(pd.concat(rows), folder / "runs" / run.fingerprint / "trace.parquet")


def test_the_baseline_and_two_highest_for_each_lowest_are_shown() -> None:
    ranked = [f"arm {place}" for place in range(20)]

    assert chosen(ranked, 7, "arm 12") == ("arm 0", "arm 1", "arm 2", "arm 3", "arm 12", "arm 18", "arm 19")
    assert chosen(ranked, 6, None) == ("arm 0", "arm 1", "arm 2", "arm 3", "arm 18", "arm 19")
    assert chosen(ranked, 2, "arm 0") == ("arm 0", "arm 1")
    assert chosen(ranked[:6], 6, "arm 3") == tuple(ranked[:6])


def test_captions_count_what_is_left_out() -> None:
    assert left_out(0) == ""
    assert "; 1 further arm is in the CSV" in left_out(1)
    assert "; 1,200 further arms are in the CSV" in left_out(1200)


def test_distributions_are_grouped_by_teacher_and_keep_every_arm_in_their_rows(tmp_path: Path) -> None:
    arms = [Arm(f"arm {n}", mined("topk"), level=0.4 + 0.01 * n, contamination=0.002 * n) for n in range(15)]
    arms.append(Arm("lexical", mined("topk"), teacher="bm25"))
    analysis = analyse(Sweep(arms=arms, baseline="arm 3", seeds=(0,), test=9, dev=9).write(tmp_path))

    minilm, bm25 = sorted(distributions.compute(analysis), key=lambda each: each.teacher, reverse=True)

    assert (minilm.teacher, bm25.teacher) == ("minilm", "bm25")
    assert [len(minilm.panels), len(minilm.shown), len(bm25.shown)] == [15, 12, 1]
    assert "arm 3" in minilm.shown
    assert {row["arm"] for row in distributions.distributions_rows(minilm)} == {arm.name for arm in arms[:15]}
    assert "; 3 further arms are in the CSV" in distributions.distributions_caption(minilm)[1]


def test_panels_end_at_two_and_a_half_times_what_is_true_and_no_higher_than_needed(analysis: Analysis) -> None:
    minilm = distributions.compute(analysis)[0]

    truth = max(panel.density[kind].max() for panel in minilm.panels for kind in ("positive", "hidden"))
    highest = max(density.max() for panel in minilm.panels for density in panel.density.values())
    assert minilm.top == pytest.approx(1.04 * min(highest, 2.5 * truth))


def test_the_share_below_zero_counts_the_bins_that_end_at_zero() -> None:
    edges = np.array([-0.2, -0.1, 0.0, 0.1])

    assert gaps.share_below_zero(edges, np.array([1.0, 2.0, 5.0])) == pytest.approx(3 / 8)


def test_gaps_add_up_the_seeds_of_an_arm(tmp_path: Path) -> None:
    analysis = analyse(SMALL.write(tmp_path))
    runs = analysis.results.cells["topk", "docstrings"].runs
    kept = [run.audit.differences for run in runs if run.audit is not None and run.audit.differences is not None]
    total = np.sum([each.counts for each in kept], axis=0)

    (data,) = gaps.compute(analysis)

    gap = next(gap for gap in data.gaps if gap.arm == "topk")
    assert len(kept) == 2
    assert gap.density == pytest.approx(total / total.sum() / np.diff(kept[0].edges))
    assert gap.below == pytest.approx(total[:10].sum() / total.sum())
    assert "in-batch" not in [gap.arm for gap in data.gaps]
    rows = [row for row in gaps.gaps_rows(data) if row["arm"] == "topk"]
    assert len(rows) == np.count_nonzero(total)
    assert "topk: " in gaps.gaps_caption(data)[0]


def test_records_without_differences_have_no_gaps(tmp_path: Path) -> None:
    folder = SMALL.write(tmp_path)
    for path in folder.glob("runs/*/record.json"):
        content = json.loads(path.read_text())
        if content["audit"] is not None:
            del content["audit"]["differences"]
        path.write_text(json.dumps(content))

    assert gaps.compute(analyse(folder)) == ()


def test_losses_of_the_first_and_last_epoch_are_pooled_over_seeds(tmp_path: Path) -> None:
    folder = replace(SMALL, arms=QUICKSTART[2:4], kept=True).write(tmp_path)
    for arm in ("random", "topk"):
        traced(folder, arm, {0: [4.0, 4.0], 1: [9.0, 9.0], 2: [1.0, 2.0]})
        traced(folder, arm, {0: [3.0], 2: [0.0]}, seed=1)

    (data,) = example_losses.compute(analyse(folder))

    panel = next(panel for panel in data.panels if panel.arm == "topk")
    assert not panel.log
    assert panel.first is not None
    assert (panel.edges[0], len(panel.edges)) == (0.0, 41)
    assert panel.medians == (4.0, 1.0)
    assert [panel.first.sum(), panel.last.sum()] == pytest.approx([1.0, 1.0])
    assert panel.last[np.digitize([0.0, 1.0, 2.0], panel.edges) - 1] == pytest.approx([1 / 3] * 3)


def test_losses_over_magnitudes_have_a_logarithmic_axis_and_say_what_lies_beyond(tmp_path: Path) -> None:
    folder = replace(SMALL, arms=QUICKSTART[3:4], seeds=(0,), kept=True).write(tmp_path)
    low = [0.001 * 1.1**place for place in range(60)]
    traced(folder, "topk", {0: [1.0] * 60, 1: [*low[:57], 50.0, 60.0, 70.0]})

    (data,) = example_losses.compute(analyse(folder))

    (panel,) = data.panels
    assert panel.log
    assert np.ptp(np.diff(np.log(panel.edges))) < 1e-9
    assert panel.beyond == pytest.approx((np.array([50.0, 60.0, 70.0]) > panel.edges[-1]).mean() * 3 / 60)
    assert panel.last.sum() + panel.beyond == pytest.approx(1.0)


def test_losses_of_different_functions_have_axes_of_their_own(tmp_path: Path) -> None:
    other = TrainingSpec(loss=Component(name="margin_mse"))
    arms = [QUICKSTART[2], QUICKSTART[3], replace(QUICKSTART[4], training=other)]
    folder = replace(SMALL, arms=arms, seeds=(0,), kept=True).write(tmp_path)
    traced(folder, "topk shifted 10", {0: [0.01, 0.02], 1: [0.01, 0.01]})

    (data,) = example_losses.compute(analyse(folder))

    ends = {panel.arm: float(panel.edges[-1]) for panel in data.panels}
    assert ends["random"] == ends["topk"]
    assert ends["topk shifted 10"] < 0.05 < ends["topk"]


def test_a_training_of_one_epoch_has_no_first_epoch_apart(tmp_path: Path) -> None:
    folder = replace(SMALL, arms=QUICKSTART[3:4], seeds=(0,), kept=True).write(tmp_path)
    traced(folder, "topk", {0: [1.0, 2.0, 3.0]})

    (data,) = example_losses.compute(analyse(folder))

    assert data.panels[0].first is None
    assert data.panels[0].medians == (None, 2.0)
    assert {row["epoch"] for row in example_losses.example_losses_rows(data)} == {"last"}


def test_without_traces_there_are_no_losses_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    folder = SMALL.write(tmp_path)
    analysis = analyse(folder)

    assert example_losses.compute(analysis) == ()
    (folder / "runs" / analysis.results.plan.runs[0].fingerprint / "trace.parquet").write_bytes(b"no")
    with pytest.raises(StorageError, match=r"trace\.parquet cannot be read with the columns epoch, loss"):
        example_losses.compute(analysis)
