"""Check against the records what a comparison must hold fixed, and collect where it ran."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.record import Environment, RunRecord
from harness.reporting import notation
from harness.reporting.results import Cell, Results
from harness.reporting.tables import ArmRow, DatasetTable

__all__ = ["Fact", "environment_rows", "facts", "hash_rows", "package_text", "shortages", "timing_rows"]

_SHORT = 12
_NAMES_SHOWN = 4


@dataclass(frozen=True)
class Fact:
    """One thing that should be equal between arms: whether it is, and the value or the difference."""

    what: str
    holds: bool
    detail: str


def facts(results: Results) -> list[Fact]:
    """Check pairs, steps, negatives per pair, settings, base, code and machine over all finished runs."""
    found: list[Fact] = []
    for dataset in results.datasets:
        where = f" ({notation.plain(dataset)})" if len(results.datasets) > 1 else ""
        runs = [(cell, run) for cell, run in results.finished() if cell.dataset == dataset and cell.trained]
        if runs:
            found.append(_fact(f"Training pairs{where}", runs, lambda _, run: _pairs(run)))
            found.append(_fact(f"Training steps{where}", runs, lambda _, run: f"{run.steps:,} steps"))
    every = list(results.finished())
    trained = [(cell, run) for cell, run in every if cell.trained]
    mined = [(cell, run) for cell, run in trained if cell.arm.mining is not None]
    told_apart = len({_use(cell) for cell, _ in trained}) > 1
    use = [("Loss, batching, refresh", trained, lambda cell, _: _use(cell))] if told_apart else []
    checks = [
        ("Negatives per pair", mined, _negatives),
        ("Candidates and shortage policy", mined, _mining),
        (
            "Training settings",
            trained,
            lambda cell, _: _training(cell) + ("" if told_apart else f", loss {_use(cell)}"),
        ),
        *use,
        ("Base", every, lambda cell, _: cell.arm.base.label),
        ("Code", every, _code),
        ("Packages and machine", every, _machine),
    ]
    found += [_fact(what, runs, value) for what, runs, value in checks if runs]
    return [*found, *_seeds(results)]


def _fact(what: str, runs: list[tuple[Cell, RunRecord]], value: Callable[[Cell, RunRecord], str]) -> Fact:
    arms: dict[str, dict[str, None]] = {}
    for cell, run in runs:
        arms.setdefault(value(cell, run), {})[cell.arm.name] = None
    if len(arms) == 1:
        return Fact(what, True, next(iter(arms)))
    common = Counter({text: len(names) for text, names in arms.items()}).most_common(1)[0][0]
    parts = [f"{text}: {_names(names)}" for text, names in arms.items() if text != common]
    return Fact(what, False, f"{common} for most; {'; '.join(parts)}")


def _names(names: Iterable[str]) -> str:
    listed = [notation.plain(name) for name in names]
    more = f" and {len(listed) - _NAMES_SHOWN} more" if len(listed) > _NAMES_SHOWN else ""
    return ", ".join(listed[:_NAMES_SHOWN]) + more


def _pairs(run: RunRecord) -> str:
    return f"{run.pairs:,} pairs, SHA-256 {run.pairs_hash[:_SHORT] or 'not recorded'}"


def _negatives(cell: Cell, _: RunRecord) -> str:
    mining = cell.arm.mining
    return f"k = {mining.miner.params.get('k', 'default')}" if mining is not None else ""


def _mining(cell: Cell, _: RunRecord) -> str:
    mining = cell.arm.mining
    return f"{mining.depth} candidates, {mining.on_shortage}" if mining is not None else ""


def _training(cell: Cell) -> str:
    training = cell.arm.training
    if training is None:
        return ""
    return (
        f"{training.epochs} epochs, batches of {training.batch_size}, learning rate {training.learning_rate:g}, "
        f"warm-up {training.warmup_share:g}, at most {cell.arm.max_length} tokens"
    )


def _use(cell: Cell) -> str:
    """Say how an arm's training uses pairs and negatives."""
    training = cell.arm.training
    if training is None:
        return ""
    said = [training.loss.label]
    said += [f"guided by {', '.join(guide.label for guide in training.guides)}"] if training.guides else []
    said += [f"batching {training.batching.label}"] if training.batching else []
    said += [f"refresh {training.refresh.label}"] if training.refresh else []
    said += ["known positives masked"] if training.mask_known_positives else []
    said += [f"early stopping on {training.early_stopping.metric}"] if training.early_stopping else []
    return ", ".join(said)


def _code(_: Cell, run: RunRecord) -> str:
    if run.environment is None:
        return "not recorded"
    changed = " with uncommitted changes" if run.environment.dirty else ""
    return f"commit {run.environment.commit[:_SHORT] or 'unknown'}{changed}"


def _machine(_: Cell, run: RunRecord) -> str:
    if run.environment is None:
        return "not recorded"
    here = run.environment
    together = f", trained by {run.processes} processes" if run.processes > 1 else ""
    return (
        f"{here.processor}, {here.cores} cores, {here.threads} threads, {here.device}{together}; {package_text(here)}"
    )


def _seeds(results: Results) -> list[Fact]:
    planned = ", ".join(map(str, results.plan.seeds))
    short = [cell.arm.name for cell in results.cells.values() if len(cell.runs) < cell.planned]
    if short:
        return [Fact("Seeds", False, f"planned {planned}; missing in {_names(dict.fromkeys(short))}")]
    return [Fact("Seeds", True, f"{planned}, every one finished")]


def package_text(environment: Environment) -> str:
    """Write the packages of an environment with their versions."""
    return ", ".join(f"{name} {version}" for name, version in sorted(environment.packages.items()))


def _environments(results: Results) -> list[Environment]:
    every = [run.environment for _, run in results.finished() if run.environment is not None]
    return [environment for index, environment in enumerate(every) if environment not in every[:index]]


def environment_rows(results: Results) -> list[tuple[str, str]]:
    """List hardware, software and commit, one block for each environment that runs were made in."""
    rows: list[tuple[str, str]] = []
    for here in _environments(results):
        changed = f", with uncommitted changes{f' ({here.diff}.patch)' if here.diff else ''}" if here.dirty else ""
        rows += [
            ("Machine", f"{here.processor}, {here.cores} cores, {here.threads} threads, device {here.device}"),
            ("System", f"{here.platform}, Python {here.python}"),
            ("Commit", f"{here.commit or 'unknown'}{changed}"),
            ("Packages", package_text(here)),
            *([("Lock", f"environment/{here.lock}.lock")] if here.lock else []),
        ]
    return rows


def hash_rows(results: Results) -> list[tuple[str, str]]:
    """List the distinct content digests of data and models, as (what, digest)."""
    found = {
        (kind, digest): None
        for _, run in results.finished()
        for kind, digest in [*run.spec.identities.items(), *run.hashes.items()]
    }
    return sorted(found)


def timing_rows(results: Results) -> list[tuple[str, float]]:
    """Sum wall-clock seconds by stage over all finished runs, longest first, with their total."""
    total: Counter[str] = Counter()
    for _, run in results.finished():
        total.update(run.timings)
    rows: list[tuple[str, float]] = sorted(total.items(), key=lambda item: (-item[1], item[0]))
    return [*rows, ("all stages", sum(seconds for _, seconds in rows))] if rows else []


def shortages(tables: Iterable[DatasetTable]) -> list[tuple[str, ArmRow]]:
    """List the arms, with their dataset, whose miner could not serve every pair."""
    return [(table.dataset, row) for table in tables for row in table.rows if row.yields is not None and row.yields < 1]
