from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_tables as tables
from synthetic import QUICKSTART, Sweep
from test_parts import keep

from harness.errors import StorageError
from harness.fingerprint import digest
from harness.record import read_record, write_text
from harness.reporting.plots import part_dots, query_pairs, seed_strip
from harness.reporting.plots.extremes import extremes
from harness.reporting.results import read_results
from harness.reporting.tables import analyse

SMALL = Sweep(arms=QUICKSTART[1:5], baseline="topk", test=8, dev=5, seeds=(0, 1))


def scored(folder: Path, arm: str, seed: int, scores: list[float]) -> None:
    """Give the test queries of a run these scores, q0 first."""
    run = next(run for run in read_results(folder).plan.runs if (run.arm, run.seed) == (arm, seed))
    path = folder / "runs" / run.fingerprint
    frame = pd.read_parquet(path / "per_query.parquet")
    frame.loc[frame["split"] == "test", "ndcg_at_10"] = scores
    frame.to_parquet(path / "per_query.parquet", index=False)
    record = read_record(path)
    metrics = {**record.metrics, "test": {**record.metrics["test"], "ndcg_at_10": float(np.mean(scores))}}
    write_text(path / "record.json", record.model_copy(update={"metrics": metrics}).model_dump_json())


def two_arms(folder: Path) -> Path:
    """Two arms: means over seeds differ on q0 by +0.5, q1 by -0.25, q2 by +0.125, q3 by -0.25, the rest tie."""
    Sweep(arms=QUICKSTART[2:4], baseline="topk", test=8, dev=5, seeds=(0, 1), kept=True).write(folder)
    scored(folder, "random", 0, [1.0, 0.25, 0.5, 0.0, 1.0, 1.0, 0.0, 0.0])
    scored(folder, "random", 1, [0.5, 0.25, 0.75, 0.0, 1.0, 1.0, 0.0, 0.0])
    scored(folder, "topk", 0, [0.25, 0.5, 0.5, 0.25, 1.0, 1.0, 0.0, 0.0])
    scored(folder, "topk", 1, [0.25, 0.5, 0.5, 0.25, 1.0, 1.0, 0.0, 0.0])
    return folder


def test_queries_are_counted_where_the_two_best_arms_put_them(tmp_path: Path) -> None:
    (data,) = query_pairs.compute(analyse(two_arms(tmp_path)))

    assert (data.a, data.b) == ("random", "topk")
    assert (data.wins, data.ties, data.losses) == (2, 4, 2)
    spots = {(spot.a, spot.b): spot.queries for spot in data.spots}
    assert spots[1.0, 1.0] == 2
    assert spots[0.0, 0.0] == 2
    assert spots[0.75, 0.25] == 1
    assert sum(spots.values()) == 8
    middle = (data.edges[:-1] + data.edges[1:]) / 2
    assert {round(float(at), 3): int(n) for at, n in zip(middle, data.counts, strict=True) if n} == {
        -0.25: 2,
        0.1: 1,
        0.5: 1,
    }
    assert [row["difference"] for row in query_pairs.query_pairs_rows(data)][:3] == ["0.5", "-0.25", "0.125"]
    assert "random is higher on 2 queries, topk on 2; they tie on 4" in query_pairs.query_pairs_caption(data)[0]


def test_untrained_arms_are_no_contenders_for_the_pair(tmp_path: Path) -> None:
    arms = (replace(QUICKSTART[0], level=0.99), *QUICKSTART[1:3])
    analysis = analyse(replace(SMALL, arms=arms, baseline=None).write(tmp_path))

    assert set(query_pairs.best_two(analysis, "docstrings") or ()) == {"in-batch", "random"}


def test_gains_and_losses_stand_most_extreme_first_and_ties_nowhere(tmp_path: Path) -> None:
    folder = two_arms(tmp_path)

    (found,) = extremes(read_results(folder), "random", "topk")

    assert [(case.query, case.a_score, case.b_score) for case in found.gained] == [
        ("q0", 0.75, 0.25),
        ("q2", 0.625, 0.5),
    ]
    assert [case.query for case in found.lost] == ["q1", "q3"]
    (fewer,) = extremes(read_results(folder), "random", "topk", n=1)
    assert [len(fewer.gained), len(fewer.lost)] == [1, 1]


def test_a_case_has_texts_positives_and_what_either_arm_ranks_first(tmp_path: Path) -> None:
    folder = two_arms(tmp_path)

    (found,) = extremes(read_results(folder), "random", "topk")

    case = found.gained[0]
    assert found.seed == 0
    assert case.text == "text of q0"
    assert [(document.id, document.text) for document in case.positives] == [("d1", "text of d1")]
    # the first arm of the sweep ranks from d0 on, the second from d1 on
    assert [(one.rank, one.document.id, one.relevant) for one in case.first_a] == [
        (1, "d0", False),
        (2, "d1", True),
        (3, "d2", False),
    ]
    assert [one.document.id for one in case.first_b] == ["d1", "d2", "d3"]
    assert case.first_b[0].document.text == "text of d1"


def test_only_the_test_split_and_relevant_documents_count(tmp_path: Path) -> None:
    folder = two_arms(tmp_path)
    queries = folder / "queries" / digest("docstrings")[:16]
    frame = pd.DataFrame(
        {
            "split": ["test", "test", "dev"],
            "query_id": "q0",
            "document_id": ["d2", "d0", "d1"],
            "relevance": [2, 0, 1],
        }
    )
    tables.keep(frame, queries / "qrels.parquet")

    (found,) = extremes(read_results(folder), "random", "topk")

    assert [document.id for document in found.gained[0].positives] == ["d2"]
    assert [one.relevant for one in found.gained[0].first_a] == [False, False, True]


def test_without_kept_tables_a_case_falls_back_to_ids_and_scores(tmp_path: Path) -> None:
    folder = two_arms(tmp_path)
    for path in [*folder.glob("queries/*/*.parquet"), *folder.glob("runs/*/rankings.parquet")]:
        path.unlink()

    (found,) = extremes(read_results(folder), "random", "topk")

    case = found.gained[0]
    assert (case.query, case.text, case.positives, case.first_a, case.first_b) == ("q0", None, (), (), ())


def test_a_damaged_ranking_is_told(tmp_path: Path) -> None:
    folder = two_arms(tmp_path)
    for path in folder.glob("runs/*/rankings.parquet"):
        path.write_bytes(b"no")

    with pytest.raises(StorageError, match=r"rankings\.parquet cannot be read"):
        extremes(read_results(folder), "random", "topk")


def test_a_strip_has_the_mean_of_each_seed_and_their_spread(tmp_path: Path) -> None:
    analysis = analyse(two_arms(tmp_path))

    (data,) = seed_strip.compute(analysis)

    strip = next(strip for strip in data.strips if strip.arm == "random")
    means = [np.mean([1.0, 0.25, 0.5, 0.0, 1.0, 1.0, 0.0, 0.0]), np.mean([0.5, 0.25, 0.75, 0.0, 1.0, 1.0, 0.0, 0.0])]
    assert strip.seeds == (0, 1)
    assert strip.means == pytest.approx(means)
    assert strip.spread == pytest.approx(abs(means[0] - means[1]) / np.sqrt(2.0))
    assert strip.score.mean == pytest.approx(np.mean(means))
    assert len(seed_strip.seed_strip_rows(data)) == 4


def test_one_seed_has_no_strip(tmp_path: Path) -> None:
    assert seed_strip.compute(analyse(replace(SMALL, seeds=(0,)).write(tmp_path))) == ()


def test_leaked_and_clean_queries_stand_beside_each_other(tmp_path: Path) -> None:
    folder = replace(SMALL, test=20).write(tmp_path)
    keep(folder)
    analysis = analyse(folder)

    (data,) = part_dots.compute(analysis)

    assert (data.parts, data.queries) == (("clean", "leaked"), (16, 4))
    for arm in data.arms:
        cell = analysis.results.cells[arm.arm, "docstrings"]
        leaked = np.isin(cell.queries, ["q0", "q1", "q2", "q3"])
        assert arm.first.mean == pytest.approx(cell.scores[~leaked].mean())
        assert arm.second.mean == pytest.approx(cell.scores[leaked].mean())
        assert arm.difference is None
    firsts = [arm.first.mean for arm in data.arms]
    assert firsts == sorted(firsts, reverse=True)
    assert len(part_dots.part_dots_rows(data)) == 2 * len(data.arms)
    assert "different queries" in part_dots.part_dots_caption(data)[1]


def test_results_without_a_table_of_queries_have_no_parts(tmp_path: Path) -> None:
    folder = SMALL.write(tmp_path)

    assert part_dots.compute(analyse(folder)) == ()
