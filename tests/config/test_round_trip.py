"""Whatever sweep is written down in full is read back unchanged."""

from pathlib import Path
from typing import get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from harness.config import load_sweep
from harness.spec import (
    ArmSpec,
    Component,
    ConfirmSpec,
    DropOwn,
    MetricName,
    MiningSpec,
    MixSpec,
    RangeSpec,
    RepairSpec,
    SearchSpec,
    SuspectSpec,
    SweepSpec,
    TrainingSpec,
)

# A word that YAML 1.2 might read as a number, PyYAML would have to quote; it follows 1.1.
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9 .:#'\"{}äλ-]{0,20}[a-z]", fullmatch=True)
SEEDS = st.integers(0, 2**31 - 1)
K = st.integers(1, 8)


def unit(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, exclude_min=True, exclude_max=True)


def component(name: str, **params: st.SearchStrategy[JsonValue]) -> st.SearchStrategy[Component]:
    return st.builds(Component, name=st.just(name), params=st.fixed_dictionaries(params))


BASES = component("static")
TEACHERS = component("minilm", max_length=st.integers(8, 512)) | component("bm25", k1=unit(0, 10))
MINERS = (
    component("topk", k=K)
    | component("topk_percpos", k=K, share=unit(0.5, 1.0))
    | component("topk_marginpos", k=K, margin=unit(-1.0, 1.0))
    | component("topk_abs", k=K, threshold=st.floats(allow_nan=False, allow_infinity=False))
)
DATASETS = component("beir_folder", path=NAMES | st.sampled_from(["no", "010", "a: b", "- x", "#", "~"]))
TRAININGS = st.builds(
    TrainingSpec,
    epochs=st.integers(1, 9),
    batch_size=st.integers(2, 512),
    learning_rate=unit(0, 1),
    warmup_share=unit(0, 1),
    loss=component("info_nce", scale=unit(0, 1000)),
)
MININGS = st.builds(
    MiningSpec,
    teacher=TEACHERS,
    miner=MINERS,
    depth=st.integers(8, 10_000),
    on_shortage=st.sampled_from(["keep", "backfill_deeper", "backfill_random", "drop"]),
)


SUSPECTS = st.builds(
    SuspectSpec,
    teacher=st.none() | TEACHERS,
    threshold=st.none() | unit(-1, 1),
    margin=unit(-1, 1),
    share=st.none() | unit(0, 1),
    boundary=st.sampled_from(["below", "at_or_below"]),
    positive_agg=st.sampled_from(["per_pair", "max"]),
)
REPAIRS = st.builds(
    RepairSpec,
    action=st.sampled_from(["drop_negative", "relabel_positive", "drop_query"]),
    suspect=SUSPECTS | st.just("truth"),
    cap=st.none() | st.integers(0, 9),
) | st.builds(RepairSpec, action=st.just("downweight"), suspect=SUSPECTS, weight=unit(0, 1))
MIXES = st.builds(
    MixSpec,
    how=st.sampled_from(["cross_sample", "intra_sample", "intra_sample_keep"]),
    others=st.lists(TEACHERS, min_size=1, max_size=3).map(tuple),
)
CONFIRMS = st.builds(
    ConfirmSpec,
    teacher=TEACHERS,
    ceiling=unit(0, 1),
    scan=st.integers(0, 100),
    probability=st.sampled_from(["identity", "sigmoid"]),
)


@st.composite
def minings(draw: st.DrawFn) -> MiningSpec:
    repair = draw(st.none() | REPAIRS)
    parts = {"repair": repair, "mix": draw(st.none() | MIXES), "redraw": repair is None and draw(st.booleans())}
    mining = draw(MININGS)
    confirm = None if mining.miner.name == "random" else draw(st.none() | CONFIRMS)
    return mining.model_copy(update={**parts, "confirm": confirm})


@st.composite
def sweeps(draw: st.DrawFn) -> SweepSpec:
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    arms = []
    for name in names:
        training = draw(st.none() | TRAININGS)
        mining = draw(st.none() | minings()) if training else None
        length = draw(st.integers(8, 8192))
        arms.append(ArmSpec(name=name, base=draw(BASES), max_length=length, mining=mining, training=training))
    baseline = draw(st.none() | st.sampled_from(names))
    others = [name for name in names if name != baseline]
    compared = draw(st.none() | st.permutations(others)) if baseline else None
    trained = [arm.name for arm in arms if arm.training]
    space = {
        "training.warmup_share": RangeSpec(low=draw(unit(0, 0.5)), high=draw(unit(0.5, 1)), log=draw(st.booleans()))
    }
    search = (
        SearchSpec(arm=draw(st.sampled_from(trained)), trials=draw(st.integers(1, 50)), space=space)
        if trained
        else None
    )
    return SweepSpec(
        name=draw(st.from_regex(r"[a-z][a-z0-9._-]{0,10}[a-z]", fullmatch=True)),
        question=draw(NAMES),
        datasets=tuple(draw(st.lists(DATASETS, min_size=1, max_size=2, unique_by=lambda item: item.label))),
        arms=tuple(arms),
        seeds=tuple(draw(st.lists(SEEDS, min_size=1, max_size=3, unique=True))),
        metric=draw(st.sampled_from(get_args(MetricName))),
        baseline=baseline,
        comparisons=tuple(compared) if compared is not None else None,
        equal_queries=draw(st.booleans()),
        search=draw(st.sampled_from([None, search])),
        evaluate=tuple(draw(st.lists(DATASETS, max_size=2, unique_by=lambda item: item.label))),
        drop_own=draw(st.sampled_from(get_args(DropOwn))),
    )


def written(part: Component) -> dict[str, JsonValue]:
    return {"name": part.name, **part.params}


def with_plain_components(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [with_plain_components(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "params" in value:
        return {"name": value["name"], **value["params"]}
    return {key: with_plain_components(item) for key, item in value.items()}


def arm_as_written(arm: ArmSpec) -> dict[str, JsonValue]:
    content: dict[str, JsonValue] = {"name": arm.name, "base": written(arm.base), "training": False}
    content["max_length"] = arm.max_length
    if arm.training:
        content["training"] = arm.training.model_dump(mode="json") | {"loss": written(arm.training.loss)}
        content["miner"] = written(arm.mining.miner) if arm.mining else "none"
    if arm.mining:
        content |= {
            "teacher": written(arm.mining.teacher),
            "depth": arm.mining.depth,
            "on_shortage": arm.mining.on_shortage,
        }
        around = arm.mining.model_dump(mode="json", exclude={"teacher", "miner", "depth", "on_shortage"})
        content |= with_plain_components(around)
    return content


def as_written(sweep: SweepSpec) -> dict[str, JsonValue]:
    content = sweep.model_dump(mode="json")
    content["arms"] = [arm_as_written(arm) for arm in sweep.arms]
    content["datasets"] = [written(dataset) for dataset in sweep.datasets]
    if sweep.evaluate:
        content["evaluate"] = [written(dataset) for dataset in sweep.evaluate]
    if sweep.search is None:
        del content["search"]
    return content


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sweeps") / "sweep.yaml"


@settings(max_examples=150, deadline=None)
@given(sweep=sweeps(), flow=st.booleans(), unicode=st.booleans())
def test_a_sweep_written_in_full_is_read_back_unchanged(
    path: Path, sweep: SweepSpec, *, flow: bool, unicode: bool
) -> None:
    text = yaml.safe_dump(as_written(sweep), default_flow_style=flow, allow_unicode=unicode, sort_keys=False)
    path.write_text(text, encoding="utf-8")

    assert load_sweep(path) == sweep
