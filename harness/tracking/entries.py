"""What a run looks like in MLflow: its params, metrics and tags, as plain data."""

import hashlib
import json
import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue

from harness.fingerprint import canonical
from harness.record import RunRecord
from harness.redaction import redacted
from harness.spec import Component, PlannedRun, RunSpec, SweepPlan

__all__ = [
    "HASH_LENGTH",
    "PARAM_LIMIT",
    "TAG_LIMIT",
    "arm_params",
    "arms_view",
    "group_metrics",
    "histories",
    "loss_history",
    "place_tags",
    "record_json",
    "run_metrics",
    "run_tags",
    "shortened",
    "sweep_note",
]

PARAM_LIMIT = 6000
TAG_LIMIT = 8000
"""Characters that MLflow keeps of a value; it drops the rest without a word, so we shorten first."""

HISTORY_LIMIT = 500
"""Points kept of a training-loss history, so that one run is one batch (MLflow's limit is 1000 metrics)."""

HASH_LENGTH = 16

FORMAT = "2"
"""Changes with what is written of a run, so that a run of an older form is written anew."""

_NOT_IN_A_NAME = re.compile(r"[^\w.\- ]")
"""What MLflow refuses in the name of a metric: `test@scifact` becomes `test.scifact`."""


def shortened(text: str, limit: int) -> str:
    """Return `text` in at most `limit` characters; a cut text ends with its length and digest."""
    if len(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    ending = f"... [{len(text)} characters, sha256 {digest}]"
    return text[: limit - len(ending)] + ending


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _component(role: str, component: Component | None) -> dict[str, JsonValue]:
    """Flatten a component: `miner=topk_percpos`, `miner.share=0.95`."""
    if component is None:
        return {role: "none"}
    return {role: component.name} | {f"{role}.{name}": value for name, value in component.params.items()}


def _label(component: Component) -> str:
    params = {name: redacted(value, name) for name, value in component.params.items()}
    return component.model_copy(update={"params": params}).label


def arm_params(spec: RunSpec, planned: PlannedRun) -> dict[str, str]:
    """Return the spec without its seed as flat params; what an arm goes without says `none`, to compare."""
    arm, mining, training = spec.arm, spec.arm.mining, spec.arm.training
    flat: dict[str, JsonValue] = {"arm": planned.arm, "trained": training is not None, "max_length": arm.max_length}
    flat |= _component("dataset", spec.dataset) | _component("base", arm.base)
    flat |= _component("teacher", mining.teacher if mining else None)
    flat |= _component("miner", mining.miner if mining else None)
    flat |= _component("loss", training.loss if training else None)
    if mining:
        flat |= {"depth": mining.depth, "on_shortage": mining.on_shortage}
        parts = mining.model_dump(mode="json", include={"confirm", "mix", "repair", "redraw"})
        flat |= {name: canonical(part) for name, part in parts.items()}
    if training:
        flat |= training.model_dump(mode="json", exclude={"loss"})
    if spec.equal_with:
        flat["equal_with"] = [f"{_label(other.teacher)}/{_label(other.miner)}" for other in spec.equal_with]
    return {name: shortened(_text(redacted(value, name)), PARAM_LIMIT) for name, value in flat.items()}


def run_metrics(record: RunRecord) -> dict[str, float]:
    """Return the finite numbers of a record as `section/name`; MLflow draws one section per prefix."""
    numbers: dict[str, float | None] = {}
    for split in sorted(record.metrics, reverse=True):  # test before dev: MLflow lists what came first, first
        section = _NOT_IN_A_NAME.sub(".", split)
        numbers |= {f"{section}/{metric}": value for metric, value in record.metrics[split].items()}
    if record.audit:
        numbers |= {f"mining/{name}": getattr(record.audit, name) for name in ("contamination", "hardness", "overlap")}
        numbers |= {"mining/negatives": record.audit.negatives, "mining/hidden_positives": record.audit.hidden}
    if record.yields:
        numbers |= {f"mining/{name}": getattr(record.yields, name) for name in ("backfilled", "dropped")}
        numbers |= {"mining/yield": record.yields.full / max(record.yields.pairs, 1)}
    if record.stopping:
        numbers |= {"train/best_step": record.stopping.best_step}
    if record.status == "finished":
        numbers |= {"train/steps": record.steps, "total/seconds": sum(record.timings.values())}
    return {name: float(value) for name, value in numbers.items() if value is not None and math.isfinite(value)}


def loss_history(losses: Sequence[float]) -> list[tuple[int, float]]:
    """Return (step, loss) from step 1, finite ones only; a long history is thinned evenly, its end kept."""
    stride = -(-len(losses) // HISTORY_LIMIT) or 1
    last = len(losses)
    return [
        (step, loss) for step, loss in enumerate(losses, start=1) if (last - step) % stride == 0 and math.isfinite(loss)
    ]


def histories(record: RunRecord) -> dict[str, list[tuple[int, float]]]:
    """Return (step, value) by name: the training loss, and the dev metric at each look of early stopping."""
    every = {"train/loss": loss_history(record.losses)}
    if record.stopping:
        looks = zip(record.stopping.steps, record.stopping.values, strict=True)
        every["train/dev_metric"] = [(step, value) for step, value in looks if math.isfinite(value)]
    return every


def group_metrics(runs: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean over runs of each metric under its own name, and for quality its sample deviation as `_sd`.

    A group's row then stands in the same columns as its runs, and compares with other
    groups. Rounded to five digits, which is what a column of the dashboard shows.
    """
    values: dict[str, list[float]] = {}
    for metrics in runs:
        for name, value in metrics.items():
            values.setdefault(name, []).append(value)
    summary: dict[str, float] = {}
    for name, column in values.items():
        summary[name] = statistics.fmean(column)
        if len(column) > 1 and name.startswith(("test/", "dev/")):
            summary[f"{name}_sd"] = statistics.stdev(column)
    return {name: float(f"{value:.5g}") for name, value in summary.items()}


def run_tags(record: RunRecord, planned: PlannedRun, plan: SweepPlan) -> dict[str, str]:
    """Return the tags of one run; `winnow.record` digests the record, so that a changed one is noticed."""
    mining = record.spec.arm.mining
    tags = place_tags(planned, plan) | {
        "winnow.format": FORMAT,
        "winnow.status": record.status,
        "winnow.record": hashlib.sha256(record.model_dump_json().encode()).hexdigest()[:HASH_LENGTH],
        "winnow.dataset_digest": record.spec.identities.get("dataset", ""),
        "winnow.base": _label(record.spec.arm.base),
        "winnow.teacher": _label(mining.teacher) if mining else "none",
        "winnow.miner": _label(mining.miner) if mining else "none",
        "winnow.pairs_hash": record.pairs_hash[:HASH_LENGTH],
        "winnow.negatives_hash": record.negatives_hash[:HASH_LENGTH],
    }
    if record.environment:
        tags |= {"winnow.commit": record.environment.commit, "winnow.device": record.environment.device}
    if record.failure:
        tags |= {"winnow.error": f"{record.failure.kind}: {record.failure.message}"}
    return _kept(tags)


def place_tags(planned: PlannedRun, plan: SweepPlan) -> dict[str, str]:
    """Return the tags that say where a run stands in its sweep; all that is known of one under way."""
    return _kept(
        {
            "winnow.level": "run",
            "winnow.status": "running",
            "winnow.sweep": plan.name,
            "winnow.plan": plan.hash[:HASH_LENGTH],
            "winnow.fingerprint": planned.fingerprint,
            "winnow.arm": planned.arm,
            "winnow.dataset": planned.dataset,
            "winnow.seed": str(planned.seed),
        }
    )


def _kept(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags as MLflow keeps them: without secrets, shortened, and none that is empty."""
    return {name: shortened(_text(redacted(value)), TAG_LIMIT) for name, value in tags.items() if value}


def record_json(record: RunRecord) -> str:
    """Return the record as it stands in `record.json`, without secrets."""
    return json.dumps(redacted(record.model_dump(mode="json")), indent=1, ensure_ascii=False) + "\n"


def sweep_note(plan: SweepPlan, answer: str = "", table_markdown: str = "") -> str:
    """Return the Markdown that stands above a sweep's runs; folded, the dashboard shows its first line alone."""
    reading = (
        f"How to read the rows: the sweep; below it its arms, each the mean over {len(plan.seeds)} seeds with the "
        "standard deviation as `_sd`; below each arm its seeds. The report's files are artefacts of the sweep's run."
    )
    parts = [answer and f"**Answer.** {answer}", f"**Question.** {plan.question}", table_markdown, reading]
    return shortened("\n\n".join(part for part in parts if part), TAG_LIMIT)


def arms_view(plan: SweepPlan, parent: str) -> dict[str, JsonValue]:
    """Return the state of the runs table that answers the question: one row per arm of `parent`, best first."""
    metric = f"test/{plan.metric}"
    metrics = [metric, f"{metric}_sd", "mining/contamination", "mining/yield", "mining/hardness", "runs/finished"]
    columns = [f"metrics.`{name}`" for name in metrics] + ["tags.`winnow.teacher`", "tags.`winnow.miner`"]
    return {
        "searchFilter": f"tags.`winnow.level` = 'arm' AND tags.`winnow.parent` = '{parent}'",
        "orderByKey": f"metrics.`{metric}`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "selectedColumns": [*columns],
        "columnOrder": [*columns],
        "columnWidths": dict.fromkeys(columns, 150),
        "runsHiddenMode": "FIRST_20_RUNS",
    }
