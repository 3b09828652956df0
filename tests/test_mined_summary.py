"""What is said of mined negatives."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness import mine
from harness.mined_files import write_mined
from harness.mined_summary import quantiles, summary
from harness.registry import MINERS


def lines_of(mined, written=None):
    return summary(mined, written).splitlines()


def line(mined, label, written=None):
    (found,) = [each for each in lines_of(mined, written) if each.startswith(label)]
    return found


def test_the_yield_is_told_and_dropped_pairs_are_loud(bm25_pool):
    found = mine(bm25_pool, "topk_percpos", share=0.7, on_shortage="drop")

    assert line(found, "pairs") == "pairs          24, of 24 queries"
    assert line(found, "yield") == "yield          6 full, 11 partial, 7 empty, of 4 negatives"
    assert line(found, "DROPPED") == ("DROPPED        18 PAIRS (75.0%) BY on_shortage=drop: they are not in the output")


def test_nothing_is_said_of_what_did_not_happen(bm25_pool):
    text = summary(mine(bm25_pool, "topk", k=1))

    assert not any(word in text for word in ("DROPPED", "backfilled", "short", "weights", "LEFT OUT", "wrote"))


def test_backfilled_and_missing_negatives_are_counted(bm25_pool):
    filled = mine(bm25_pool, "topk_percpos", share=0.7)
    short = mine(bm25_pool, "topk_percpos", share=0.7, on_shortage="keep")

    assert line(filled, "backfilled") == (
        f"backfilled     {int(filled.backfilled.sum())} negatives, by on_shortage=backfill_deeper"
    )
    assert line(short, "still short") == "still short    18 pairs, padded"


def test_quantiles_are_those_of_the_pairs_that_are_trained_on(bm25_pool):
    found = mine(bm25_pool, "topk_percpos", share=0.7, on_shortage="drop")

    values = quantiles(found)
    positives, negatives, differences = [], [], []
    for row in np.flatnonzero(found.trained):
        positive = bm25_pool.pool.positive[row]
        positives.append(positive)
        negatives.extend(found.negatives.score[row])
        differences.extend(score - positive for score in found.negatives.score[row])
    assert values["positives"]["median"] == np.median(positives)
    assert (values["negatives"]["min"], values["negatives"]["max"]) == (min(negatives), max(negatives))
    assert values["difference"]["95 %"] == pytest.approx(np.quantile(differences, 0.95))
    assert max(differences) < 0


def test_no_negative_at_all_is_no_quantile(bm25_pool):
    found = mine(bm25_pool, "topk_abs", threshold=-1.0, on_shortage="keep")

    assert list(quantiles(found)) == ["positives"]
    assert line(found, "yield") == "yield          0 full, 0 partial, 24 empty, of 4 negatives"


def test_what_was_removed_is_put_down_to_rules(bm25_pool):
    found = mine(bm25_pool, "topk_percpos", share=0.7)

    text = lines_of(found)
    (start,) = [at for at, each in enumerate(text) if each.endswith("candidates, of which removed")]
    removed = {each.split("  ")[-1]: int(each.split()[0].replace(",", "")) for each in text[start + 1 : start + 4]}
    assert removed == {
        "known positives of the query": found.rules["labelled"].sum(),
        "text of the query or of a positive": found.rules["same_text"].sum(),
        "by the rule topk_percpos": found.rules["topk_percpos"].sum(),
    }


def test_a_sampler_that_is_uniform_in_effect_is_told_so(bm25_pool):
    flat = mine(bm25_pool, "topk_sampled", temperature=100.0)
    sharp = mine(bm25_pool, "topk_sampled", temperature=0.1)

    assert "IN EFFECT UNIFORM" in summary(flat)
    assert line(flat, "weights").startswith("weights        largest / smallest: median 1.01")
    assert "IN EFFECT UNIFORM" not in summary(sharp)
    assert "largest / smallest" in summary(sharp)
    undecided = replace(flat, weight_ratio=np.full(24, np.nan))
    assert "no pair had more candidates than chance could choose from" in summary(undecided)


def test_contamination_is_told_where_it_is_known(bm25_pool):
    found = mine(bm25_pool, "topk")

    assert line(found, "contamination") == (
        f"contamination  {found.audit.contamination:.1%} ({found.audit.hidden} of {found.audit.negatives} "
        "negatives are hidden positives)"
    )
    rows = bm25_pool.collection.split("train")
    plain = replace(bm25_pool.collection, splits={"train": replace(rows, hidden=np.zeros_like(rows.hidden))})
    assert "contamination" not in summary(replace(found, source=replace(bm25_pool, collection=plain)))


def test_pairs_that_a_format_leaves_out_are_loud(bm25_pool, tmp_path):
    found = mine(bm25_pool, "topk_percpos", share=0.7, on_shortage="keep")
    written = write_mined(found, tmp_path / "a.jsonl", "n-tuple")

    assert line(found, "LEFT OUT", written) == "LEFT OUT       18 PAIRS: a row of n-tuple needs all its negatives"
    assert f"{tmp_path / 'a.jsonl'} (6 rows, n-tuple)" in " ".join(summary(found, written).split())
    one = replace(written, left_out=1, form="triplet", path=Path("a"))
    assert line(found, "LEFT OUT", one) == "LEFT OUT       1 PAIR: a row of triplet needs at least one negative"


@pytest.mark.parametrize("name", MINERS.names())
def test_no_line_is_wider_than_eighty_columns(bm25_pool, name):
    for policy in ("keep", "drop", "backfill_random"):
        found = mine(bm25_pool, name, on_shortage=policy)
        many = dict.fromkeys(("full", "partial", "empty", "backfilled", "dropped"), 123_456_789)
        removal = dict.fromkeys(("negatives", "hidden", "removed", "hidden_removed", "hidden_in_pool"), 123_456_789)
        found = replace(
            found, yields=found.yields.model_copy(update=many), audit=found.audit.model_copy(update=removal)
        )

        assert max(map(len, lines_of(found))) <= 80


def test_what_the_miner_removed_is_told_against_what_is_hidden(bm25_pool):
    found = mine(bm25_pool, "topk_percpos", share=0.7)
    audit = found.audit

    said = " ".join(summary(found).split())
    assert f"removed {audit.hidden_removed} of {audit.hidden_in_pool} hidden positives among the candidates" in said
    assert f"and {audit.removed - audit.hidden_removed} others" in said
