import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic import Arm, Sweep, mined

from harness.cli import main
from harness.errors import ConfigError
from harness.exchange.comparing import compare
from harness.exchange.differing import ABSENT, FOLLOWS, Differing, differing
from harness.exchange.sides import side_of
from harness.record import read_per_query, read_record
from harness.stats import benjamini_hochberg
from harness.sweep_files import read_plan
from tests.exchange.exchanged import Ranked

ARMS = (
    Arm("topk", mined("topk"), 0.4),
    Arm("share", mined("topk_percpos", share=0.8), 0.6),
    Arm("base", trained=False),
)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Sweep(arms=ARMS, baseline="topk", test=40, dev=10).write(tmp_path_factory.mktemp("sweep"))


def _side(text: object):
    return side_of(str(text), Path("results"))


def _pick(folder: Path, arm: str, seed: int = 0) -> Path:
    (run,) = [run for run in read_plan(folder).runs if run.arm == arm and run.seed == seed]
    return folder / "runs" / run.fingerprint


def _means(folder: Path, arm: str, metric: str) -> float:
    return float(np.mean([read_record(_pick(folder, arm, seed)).metrics["test"][metric] for seed in (0, 1, 2)]))


def test_two_arms_are_compared_on_every_metric_with_b_minus_a(sweep):
    found = compare(_side(f"{sweep}:topk"), _side(f"{sweep}:share"))

    (block,) = found.blocks
    assert [(row.split, row.metric) for row in block.rows] == [
        ("test", name) for name in ("ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100", "map_at_100", "auc")
    ]
    row = block.rows[0]
    assert row.left == pytest.approx(_means(sweep, "topk", "ndcg_at_10"))
    assert row.right == pytest.approx(_means(sweep, "share", "ndcg_at_10"))
    assert row.result.difference.mean == pytest.approx(row.right - row.left)
    assert row.result.difference.mean > 0.1
    assert row.verdict == "better"
    assert row.result.seeds == 3


def test_every_p_is_adjusted_over_all_that_is_shown(sweep):
    found = compare(_side(f"{sweep}:topk"), _side(f"{sweep}:share"))

    rows = found.blocks[0].rows
    assert [row.p_adjusted for row in rows] == benjamini_hochberg([row.result.p_permutation for row in rows])
    assert max(row.p_adjusted for row in rows) == pytest.approx(max(row.result.p_permutation for row in rows))


def test_settings_that_differ_are_named_with_both_values(sweep):
    found = compare(_side(f"{sweep}:topk"), _side(f"{sweep}:share"))

    assert found.blocks[0].settings == (
        Differing("arm.mining.miner.name", "topk", "topk_percpos"),
        Differing("arm.mining.miner.params.share", ABSENT, 0.8),
    )


def test_a_sweep_and_itself_differ_in_nothing(sweep):
    found = compare(_side(sweep), _side(sweep))

    assert [block.arms for block in found.blocks] == [("topk", "topk"), ("share", "share"), ("base", "base")]
    assert all(row.identical for block in found.blocks for row in block.rows)
    assert {row.metric for block in found.blocks for row in block.rows} == {"ndcg_at_10"}
    assert (found.plans, found.alone, found.environment) == ((), (), ())


def test_sweeps_say_what_only_one_of_them_has_and_how_their_plans_differ(sweep, tmp_path):
    other = Sweep(arms=(ARMS[0], Arm("new")), test=40, dev=10, question="Else?", baseline=None).write(tmp_path / "x")

    found = compare(_side(sweep), _side(other))

    assert found.alone == (
        "only A has 'share' on docstrings",
        "only A has 'base' on docstrings",
        "only B has 'new' on docstrings",
    )
    assert Differing("question", Sweep().question, "Else?") in found.plans


def test_queries_that_only_one_side_has_are_counted_and_left_out(sweep, tmp_path):
    fewer = Sweep(arms=ARMS, test=25, dev=10, baseline=None).write(tmp_path / "x")

    (block,) = compare(_side(f"{sweep}:topk"), _side(f"{fewer}:topk")).blocks

    assert block.rows[0].result.queries == 25
    assert block.notes == ("test: queries differ: 15 only in A, 0 only in B; 25 compared",)
    frame = read_per_query(_pick(sweep, "topk"))
    common = frame[(frame["split"] == "test") & frame["query_id"].isin([f"q{place}" for place in range(25)])]
    assert block.rows[0].left != pytest.approx(_means(sweep, "topk", "ndcg_at_10"))
    assert len(common) == 25


def test_queries_are_matched_by_id_whatever_their_order(sweep, tmp_path):
    other = Sweep(arms=ARMS, test=40, dev=10, baseline=None).write(tmp_path / "x")
    for path in other.glob("runs/*/per_query.parquet"):
        pd.read_parquet(path).iloc[::-1].to_parquet(path, index=False)

    (block,) = compare(_side(f"{sweep}:topk"), _side(f"{other}:topk")).blocks

    assert all(row.identical for row in block.rows)


def test_other_collections_and_no_common_query_are_said(sweep, tmp_path):
    other = Sweep(arms=ARMS, datasets=("elsewhere",), test=40, dev=10, baseline=None).write(tmp_path / "x")
    for path in other.glob("runs/*/per_query.parquet"):
        frame = pd.read_parquet(path)
        frame["query_id"] = "other " + frame["query_id"]
        frame.to_parquet(path, index=False)

    (block,) = compare(_side(f"{sweep}:topk"), _side(f"{other}:topk")).blocks

    assert block.rows == ()
    assert block.datasets == ("docstrings", "elsewhere")
    assert block.notes[0] == "test: no query is in both, so nothing is compared"
    assert block.notes[1].startswith("test: the collections differ: A ")


def test_runs_are_compared_by_folder_or_fingerprint(sweep, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "sweep").symlink_to(sweep)
    one, other = _pick(sweep, "topk"), _pick(sweep, "share")

    by_folder = compare(_side(one), _side(other))
    by_name = compare(side_of(one.name, tmp_path / "results"), side_of(other.name, tmp_path / "results"))

    assert by_folder == by_name
    assert by_folder.blocks[0].rows[0].result.seeds == 1
    assert by_folder.blocks[0].rows[0].verdict == "one seed"


def test_seeds_that_differ_are_said_and_averages_compared(sweep):
    (block,) = compare(_side(_pick(sweep, "topk", 0)), _side(_pick(sweep, "topk", 1))).blocks

    assert block.notes == ("seeds differ: A [0], B [1]",)
    assert block.settings == (Differing("seed", 0, 1),)
    assert block.rows[0].result.seed_spread is None


def test_surroundings_that_differ_are_named(sweep, tmp_path):
    other = Sweep(arms=ARMS, test=40, dev=10, baseline=None).write(tmp_path / "x")
    for path in other.glob("runs/*/record.json"):
        path.write_text(path.read_text().replace('"torch": "2.13.0"', '"torch": "2.14.0"'))

    found = compare(_side(f"{sweep}:topk"), _side(f"{other}:topk"))

    assert found.environment == (Differing("packages.torch", "2.13.0", "2.14.0"),)


def test_further_sets_have_rows_of_their_own(tmp_path):
    folder = Ranked().write(tmp_path / "x")

    (block,) = compare(_side(f"{folder}:topk"), _side(f"{folder}:random / any"), ["auc"]).blocks

    assert [(row.split, row.result.queries) for row in block.rows] == [("test", 8), ("test@synthetic", 3)]


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        ("{sweep}", "{sweep}:topk", "name an arm, FOLDER:ARM"),
        ("{sweep}:topl", "{sweep}", "unknown arm 'topl'; did you mean 'topk'"),
        ("nowhere", "{sweep}", "'nowhere' is no results folder"),
        ("0123456789abcdef", "{sweep}", "no run 0123456789abcdef under results"),
    ],
)
def test_what_cannot_be_compared_is_refused(sweep, left, right, said):
    with pytest.raises(ConfigError, match=said):
        compare(_side(left.format(sweep=sweep)), _side(right.format(sweep=sweep)))


def test_a_failed_run_is_refused(tmp_path):
    folder = Sweep(arms=ARMS, test=4, dev=4, failed=[("topk", 0)]).write(tmp_path / "x")

    with pytest.raises(ConfigError, match="failed: it has no numbers"):
        _side(_pick(folder, "topk"))


def test_the_command_fits_80_columns_ends_with_0_and_names_its_p_values(sweep, monkeypatch, capsys):
    monkeypatch.chdir(sweep.parent)

    code = main(["compare", f"{sweep.name}:topk", f"{sweep.name}:share"])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= 80
    assert "BH-adjusted over the 6 comparisons shown" in " ".join(lines)
    assert "Exploratory" in " ".join(lines)
    assert "    arm.mining.miner.params.share  (absent) | 0.8" in lines


def test_the_command_writes_json_for_programs(sweep, capsys):
    main(["compare", f"{sweep}:topk", f"{sweep}:share", "--metric", "auc", "--json"])

    content = json.loads(capsys.readouterr().out)
    assert [row["metric"] for row in content["blocks"][0]["rows"]] == ["auc"]
    assert content["blocks"][0]["settings"][0] == {
        "key": "arm.mining.miner.name",
        "left": "topk",
        "right": "topk_percpos",
    }


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, [Differing("a", 1, True)]),
        ({"a": None}, {}, [Differing("a", None, ABSENT)]),
        ({"a": []}, {"a": [1]}, [Differing("a", [], FOLLOWS), Differing("a[0]", ABSENT, 1)]),
        ({"b": {"c": [{"d": 1}]}}, {"b": {"c": [{"d": 2}]}}, [Differing("b.c[0].d", 1, 2)]),
    ],
)
def test_differences_are_dotted_keys_with_both_values(left, right, expected):
    assert differing(left, right) == expected
