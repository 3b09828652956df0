"""Check the plan and the records of a bundle against each other and against the metrics of each query."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from harness.exchange.checks import Check, judged, skipped
from harness.exchange.manifest import Manifest
from harness.exchange.trec_files import read_frame
from harness.fingerprint import digest
from harness.plan import UNCHOSEN, dataset_names
from harness.record import RunRecord, read_record
from harness.spec import PlannedRun, SweepPlan
from harness.sweep_files import read_sweep

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AGREED", "finished_runs", "names_check", "plan_check", "record_checks"]

AGREED = 1e-9
"""How far a number may lie from the same number formed again."""


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HEX = re.compile(r"[0-9a-f]{16,64}")


def names_check(folder: Path) -> Check:
    """Check every name in plan and records that becomes part of a path; none may lead out of a folder."""
    plan = read_sweep(folder)
    wrong = [] if _NAME.fullmatch(plan.name) else [f"plan.json: {plan.name[:60]!r} cannot name a folder"]
    names = (run.fingerprint for run in plan.runs)
    wrong += [f"plan.json: {name[:60]!r} is no fingerprint" for name in names if not _HEX.fullmatch(name)]
    for path in sorted((folder / "runs").glob("*/record.json")):
        identity = read_record(path.parent).spec.identities.get("dataset", "")
        if not _HEX.fullmatch(identity):
            wrong.append(f"runs/{path.parent.name}/record.json: {identity[:60]!r} is no identity of a dataset")
    return judged("names", "plan and records name nothing outside of the bundle", wrong)


def plan_check(folder: Path, manifest: Manifest) -> Check:
    """Form the plan's hash again."""
    if "plan.json" in manifest.cut:
        return skipped("plan", "paths were cut from plan.json: its hash cannot be formed again")
    content = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    stated = content.get("hash")
    found = digest({key: value for key, value in content.items() if key not in UNCHOSEN}, 16)
    wrong = [f"plan.json says {stated}, its content gives {found}"] if stated != found else []
    wrong += [f"MANIFEST.json says {manifest.plan}, plan.json {stated}"] if stated != manifest.plan else []
    return judged("plan", f"its hash is {found}", wrong)


def finished_runs(folder: Path) -> Iterator[tuple[PlannedRun, RunRecord]]:
    """Yield each run that has a record with numbers, once, with the first place in the plan that it stands for."""
    first = {run.fingerprint: run for run in reversed(read_sweep(folder).runs)}
    for fingerprint, run in sorted(first.items()):
        if (folder / "runs" / fingerprint / "record.json").exists():
            record = read_record(folder / "runs" / fingerprint)
            if record.status == "finished":
                yield run, record


def record_checks(folder: Path, manifest: Manifest) -> Iterator[Check]:
    """Check what records say of themselves against the plan, and their means against their queries."""
    plan = read_sweep(folder)
    records = {
        run.fingerprint: read_record(folder / "runs" / run.fingerprint)
        for run in plan.runs
        if (folder / "runs" / run.fingerprint / "record.json").exists()
    }
    absent = len({run.fingerprint for run in plan.runs}) - len(records)
    text = f"{len(records)} are of the runs planned" + (f"; {absent} planned runs have none" if absent else "")
    yield judged("records", text, _identity_differences(folder, plan, records, manifest))
    finished = [record for record in records.values() if record.status == "finished"]
    wrong = [line for record in finished for line in _mean_differences(folder, record)]
    yield judged("means", f"{len(finished)} records give the means of their queries", wrong)
    wrong = [line for record in finished for line in _count_differences(record)]
    yield judged("counts", "contamination is hidden / negatives, and histograms fit their edges", wrong)


def _identity_differences(
    folder: Path, plan: SweepPlan, records: dict[str, RunRecord], manifest: Manifest
) -> Iterator[str]:
    arms = {arm.name: arm.model_copy(update={"name": "arm"}) for arm in plan.arms}
    datasets = dict(zip(dataset_names(plan.datasets), plan.datasets, strict=True))
    for path in sorted((folder / "runs").iterdir()):
        if path.name not in records:
            yield f"runs/{path.name} is no run of the plan"
    for run in plan.runs:
        record = records.get(run.fingerprint)
        if record is None:
            continue
        name = f"runs/{run.fingerprint}/record.json"
        cut = name in manifest.cut or "plan.json" in manifest.cut
        if record.fingerprint != run.fingerprint or (not cut and record.spec.fingerprint != run.fingerprint):
            yield f"{name}: its spec gives the fingerprint {record.spec.fingerprint}"
        spec = record.spec
        here = (spec.arm.model_copy(update={"name": "arm"}), spec.dataset, spec.seed)
        if here != (arms.get(run.arm), datasets.get(run.dataset), run.seed):
            yield f"{name} is not the run of '{run.arm}' on {run.dataset} with seed {run.seed} that the plan names"


def _mean_differences(folder: Path, record: RunRecord) -> Iterator[str]:
    name = f"runs/{record.fingerprint}"
    frame = read_frame(folder / name / "per_query.parquet")
    if set(frame["split"]) != set(record.metrics):
        yield f"{name}: record.json has the splits {sorted(record.metrics)}, per_query.parquet others"
    for split, metrics in sorted(record.metrics.items()):
        rows = frame[frame["split"] == split]
        if not rows["query_id"].is_unique:
            yield f"{name}: per_query.parquet lists a query of {split} more than once"
        yield from (f"{name}: {line}" for line in _metric_differences(rows, split, metrics))


def _metric_differences(rows: "pd.DataFrame", split: str, metrics: dict[str, float]) -> Iterator[str]:
    for metric, value in sorted(metrics.items()):
        mean = float(rows[metric].mean())
        if not abs(mean - value) <= AGREED:
            yield f"{split} {metric} is {value!r} in record.json, {mean!r} over its queries"
    kept = [column for column in rows.columns if column not in ("split", "query_id", "relevant")]
    for column in kept:
        if not rows[column].between(0.0, 1.0).all():
            yield f"{split} {column} of a query is not between 0 and 1"
        if column not in metrics:
            yield f"{split} {column} has values for queries but no mean in record.json"


def _count_differences(record: RunRecord) -> Iterator[str]:
    name, audit = f"runs/{record.fingerprint}/record.json", record.audit
    if audit is None:
        return
    share = audit.hidden / audit.negatives if audit.negatives else 0.0
    if audit.hidden > audit.negatives or not abs(share - audit.contamination) <= AGREED:
        yield f"{name}: {audit.hidden} of {audit.negatives} negatives hidden, contamination {audit.contamination!r}"
    edges = audit.histograms.edges
    if any(len(counts) != len(edges) - 1 for counts in audit.histograms.counts.values()):
        yield f"{name}: a histogram does not have one count for each of its {len(edges) - 1} bins"
    if any(left >= right for left, right in pairwise(edges)):
        yield f"{name}: the edges of the histograms do not rise"
