import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_sweep import ARMS, arm, failed, plan_of, record, spec

from harness.redaction import redacted
from harness.spec import Component, MiningSpec, MixSpec
from harness.tracking.entries import (
    HISTORY_LIMIT,
    PARAM_LIMIT,
    TAG_LIMIT,
    arm_params,
    arms_view,
    group_metrics,
    loss_history,
    record_json,
    run_metrics,
    run_tags,
    shortened,
    sweep_note,
)

PLAN = plan_of()


def test_metrics_equal_the_record() -> None:
    metrics = run_metrics(record(spec(ARMS[0], 0)))

    assert metrics == {
        "test/ndcg_at_10": 0.5,
        "test/mrr_at_10": 0.2,
        "test/recall_at_100": 0.8,
        "dev/ndcg_at_10": 0.4,
        "dev/mrr_at_10": 0.1,
        "dev/recall_at_100": 0.9,
        "mining/contamination": 0.05,
        "mining/hardness": -0.125,
        "mining/overlap": 0.25,
        "mining/negatives": 80.0,
        "mining/hidden_positives": 4.0,
        "mining/backfilled": 7.0,
        "mining/dropped": 1.0,
        "mining/yield": 0.75,
        "train/steps": 3.0,
        "total/seconds": 2.5,
    }


def test_test_metrics_come_before_dev_metrics() -> None:
    assert next(iter(run_metrics(record(spec(ARMS[0], 0))))).startswith("test/")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_not_sent(value: float) -> None:
    base = record(spec(ARMS[0], 0))
    broken = base.model_copy(update={"metrics": {"test": {"ndcg_at_10": value, "mrr_at_10": 0.5}}})

    metrics = run_metrics(broken)

    assert "test/ndcg_at_10" not in metrics
    assert metrics["test/mrr_at_10"] == 0.5


def test_a_failed_run_has_no_metrics() -> None:
    assert run_metrics(failed(spec(ARMS[0], 0))) == {}


def test_what_goes_around_a_miner_is_a_param() -> None:
    plain = spec(ARMS[0], 0)
    assert plain.arm.mining is not None
    mix = MixSpec(how="cross_sample", others=(Component(name="minilm"),))
    mining = plain.arm.mining.model_copy(update={"mix": mix, "redraw": True})
    mixed = plain.model_copy(update={"arm": plain.arm.model_copy(update={"mining": mining})})

    added = arm_params(mixed, PLAN.runs[0]).items() - arm_params(plain, PLAN.runs[0]).items()

    assert dict(added) == {"mix": '{"how":"cross_sample","others":[{"name":"minilm","params":{}}]}', "redraw": "true"}


def test_params_name_every_setting_once() -> None:
    params = arm_params(spec(ARMS[0], 0), PLAN.runs[0])

    assert params == {
        "arm": "percpos 0.95",
        "trained": "true",
        "dataset": "toy",
        "dataset.train": "20",
        "base": "static",
        "teacher": "bm25",
        "teacher.k1": "0.9",
        "miner": "topk_percpos",
        "miner.share": "0.95",
        "loss": "info_nce",
        "depth": "100",
        "on_shortage": "backfill_deeper",
        "epochs": "3",
        "batch_size": "64",
        "learning_rate": "0.002",
        "warmup_share": "0.1",
        "max_length": "128",
    }


def test_what_an_arm_goes_without_is_called_none() -> None:
    params = arm_params(spec(ARMS[1], 0), PLAN.runs[2])

    assert {name: params[name] for name in ("teacher", "miner", "loss", "trained")} == {
        "teacher": "none",
        "miner": "none",
        "loss": "none",
        "trained": "false",
    }


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("hub_token", "hf_abc", "[redacted]"),
        ("teacher.apiKey", "sk-1", "[redacted]"),
        ("client_secret", "x", "[redacted]"),
        ("PASSWORD", "x", "[redacted]"),
        ("tokenizer", "wordpiece", "wordpiece"),
        ("max_tokens", 128, 128),
        ("url", "https://user:pass@host/x", "https://[redacted]@host/x"),
        ("url", "https://host/x?a=1&api_key=abc&b=2", "https://host/x?a=1&api_key=[redacted]&b=2"),
        ("url", "https://user:p@ss@host/x", "https://[redacted]@host/x"),
        ("url", "https://host/a@b", "https://host/a@b"),
        ("password", 1234, "[redacted]"),
        ("api_key", 1.5, "[redacted]"),
        ("password", True, True),
        ("error", "login failed, password=hunter2, user=me", "login failed, password=[redacted], user=me"),
        ("error", '{"access_token": "abc.def"}', '{"access_token": "[redacted]"}'),
        ("error", "Authorization: Bearer abcdefgh123", "Authorization: Bearer [redacted]"),
        ("error", "got hf_abcdefghijklmnop", "got [redacted]"),
        ("label", "judge(max_tokens=128, tokenizer=words)", "judge(max_tokens=128, tokenizer=words)"),
        ("address", "someone@example.org", "someone@example.org"),
        ("nested", {"deep": [{"password": "x", "share": 0.5}]}, {"deep": [{"password": "[redacted]", "share": 0.5}]}),
    ],
)
def test_secrets_are_redacted_and_settings_are_not(key: str, value: object, expected: object) -> None:
    assert redacted(value, key) == expected


def test_no_secret_reaches_params_tags_or_the_copied_record() -> None:
    secret = "sk-very-secret"  # noqa: S105 - made up
    own = arm("judge", api_key=secret)
    other = MiningSpec(teacher=Component(name="judge", params={"token": secret}), miner=Component(name="topk"))
    run = spec(own, 0).model_copy(update={"equal_with": (other,)})
    leaky = failed(run, f"401 from https://me:{secret}@host/?token={secret}")

    sent = [arm_params(run, PLAN.runs[0]), run_tags(leaky, PLAN.runs[0], PLAN), record_json(leaky)]

    assert secret not in json.dumps(sent)


def test_a_record_without_secrets_is_copied_as_it_is() -> None:
    original = record(spec(ARMS[0], 0))

    assert type(original).model_validate_json(record_json(original)) == original


@given(st.text(max_size=300), st.integers(min_value=80, max_value=200))
def test_shortened_text_keeps_within_its_limit_and_says_what_it_lost(text: str, limit: int) -> None:
    short = shortened(text, limit)

    assert len(short) <= limit
    assert short == text or re.search(rf"\[{len(text)} characters, sha256 [0-9a-f]{{16}}\]$", short)


def test_two_long_texts_with_the_same_beginning_stay_apart() -> None:
    assert shortened("x" * 9000 + "a", TAG_LIMIT) != shortened("x" * 9000 + "b", TAG_LIMIT)


def test_a_long_param_and_a_long_tag_keep_within_what_mlflow_stores() -> None:
    run = spec(arm("long", note="x" * 20_000), 0)

    assert len(arm_params(run, PLAN.runs[0])["miner.note"]) == PARAM_LIMIT
    assert len(run_tags(record(run), PLAN.runs[0], PLAN)["winnow.miner"]) == TAG_LIMIT


def test_the_losses_of_a_short_training_are_all_kept() -> None:
    assert loss_history((3.0, 2.0, 1.0)) == [(1, 3.0), (2, 2.0), (3, 1.0)]


@pytest.mark.parametrize("steps", [HISTORY_LIMIT, HISTORY_LIMIT + 1, 1001])
def test_a_long_loss_history_keeps_its_last_step(steps: int) -> None:
    history = loss_history([1.0] * steps)

    assert history[-1] == (steps, 1.0)
    assert HISTORY_LIMIT / 2 < len(history) <= HISTORY_LIMIT


@given(st.lists(st.floats(), max_size=3000))
def test_a_loss_history_is_thinned_in_order_with_its_own_values_and_its_end(losses: list[float]) -> None:
    history = loss_history(losses)

    assert len(history) <= HISTORY_LIMIT
    assert [step for step, _ in history] == sorted({step for step, _ in history})
    assert all(losses[step - 1] == loss and math.isfinite(loss) for step, loss in history)
    if losses and math.isfinite(losses[-1]):
        assert history[-1] == (len(losses), losses[-1])


def test_a_group_has_the_mean_of_each_metric_and_the_deviation_of_quality() -> None:
    summary = group_metrics([{"test/ndcg_at_10": 0.5, "mining/yield": 1.0}, {"test/ndcg_at_10": 0.6}])

    assert summary == {"test/ndcg_at_10": 0.55, "test/ndcg_at_10_sd": 0.070711, "mining/yield": 1.0}


def test_one_run_alone_has_no_deviation() -> None:
    assert group_metrics([{"test/ndcg_at_10": 0.5}]) == {"test/ndcg_at_10": 0.5}


def test_tags_change_with_the_record_and_with_nothing_else() -> None:
    run = spec(ARMS[0], 0)

    first, again, other = (
        run_tags(one, PLAN.runs[0], PLAN)["winnow.record"] for one in (record(run), record(run), record(run, 0.51))
    )

    assert first == again != other


def test_the_answer_is_the_first_line_of_the_note() -> None:
    note = sweep_note(PLAN, "Naive wins.", "| arm |\n|---|\n| naive |")

    assert note.splitlines()[0] == "**Answer.** Naive wins."
    assert "Which is best?" in note
    assert "| naive |" in note


def test_the_question_is_the_first_line_until_there_is_an_answer() -> None:
    assert sweep_note(PLAN).splitlines()[0] == "**Question.** Which is best?"


def test_the_view_shows_the_arms_of_one_sweep_by_its_own_metric() -> None:
    view = arms_view(PLAN, "abc")

    assert view["orderByKey"] == "metrics.`test/ndcg_at_10`"
    assert view["searchFilter"] == "tags.`winnow.level` = 'arm' AND tags.`winnow.parent` = 'abc'"
