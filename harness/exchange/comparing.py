"""Compare two sides: their settings, their numbers on the queries that both have, and where they were run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import JsonValue

from harness.errors import ConfigError
from harness.exchange.differing import Differing, differing, flat
from harness.exchange.sides import Member, Side
from harness.record import METRICS, read_per_query
from harness.reporting.comparisons import SEED, adjusted_ps, paired
from harness.reporting.results import Cell
from harness.stats import PairedComparison, Verdict, benjamini_hochberg, paired_comparison, verdict

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Block", "Compared", "Row", "compare"]


@dataclass(frozen=True)
class Row:
    """One metric on one split: both means, and how B differs from A on the same queries."""

    split: str
    metric: str
    left: float
    right: float
    result: PairedComparison
    p_adjusted: float
    verdict: Verdict
    identical: bool


@dataclass(frozen=True)
class Block:
    """An arm of A and one of B on a dataset; `notes` say what makes them less comparable."""

    arms: tuple[str, str]
    datasets: tuple[str, str]
    settings: tuple[Differing, ...]
    notes: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Compared:
    """Everything that is said of two sides; `alone` names what only one of them has."""

    plans: tuple[Differing, ...]
    alone: tuple[str, ...]
    blocks: tuple[Block, ...]
    environment: tuple[Differing, ...]


def compare(left: Side, right: Side, metrics: Sequence[str] = ()) -> Compared:
    """Compare two sides on `metrics`, by default all of them for arms, the sweep's own for two sweeps.

    All p-values that come out are one exploratory family, adjusted by Benjamini and Hochberg.
    Raises ConfigError for a sweep and an arm.
    """
    if (left.plan is None) != (right.plan is None):
        raise ConfigError("a sweep cannot be compared with one arm or run: name an arm, FOLDER:ARM")
    chosen = tuple(metrics) or ((left.plan.metric,) if left.plan is not None else METRICS)
    blocks = [_block(left, right, arms, datasets, chosen) for arms, datasets in _pairs(left, right)]
    return Compared(
        _plans(left, right), tuple(_alone(left, right)), tuple(_adjusted(blocks)), _environment(left, right)
    )


def _pairs(left: Side, right: Side) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Yield arms that go together, with each dataset of both; single datasets go together whatever their names."""
    if left.plan is None:
        arms = [(next(iter(left.arms)), next(iter(right.arms)))]
    else:
        arms = [(name, name) for name in left.arms if name in right.arms]
    for one, other in arms:
        here, there = list(left.arms[one]), list(right.arms[other])
        if len(here) == len(there) == 1:
            yield (one, other), (here[0], there[0])
        else:
            yield from (((one, other), (name, name)) for name in here if name in there)


def _alone(left: Side, right: Side) -> Iterator[str]:
    """Name what has nothing to be compared with."""
    compared = list(_pairs(left, right))
    for letter, place, side in (("A", 0, left), ("B", 1, right)):
        for arm, datasets in side.arms.items():
            missing = [name for name in datasets if (arm, name) not in {(a[place], d[place]) for a, d in compared}]
            if missing:
                yield f"only {letter} has '{arm}' on {', '.join(missing)}"


def _plans(left: Side, right: Side) -> tuple[Differing, ...]:
    if left.plan is None or right.plan is None:
        return ()
    aside = {"arms", "runs", "hash", "amends", "amendments"}
    return tuple(differing(*(side.plan.model_dump(mode="json", exclude=aside) for side in (left, right) if side.plan)))


def _block(left: Side, right: Side, arms: tuple[str, str], datasets: tuple[str, str], metrics: Sequence[str]) -> Block:
    here, there = left.arms[arms[0]][datasets[0]], right.arms[arms[1]][datasets[1]]
    notes = _seed_notes(here, there)
    rows: list[Row] = []
    frames = [[read_per_query(member.folder) for member in side] for side in (here, there)]
    for split in _splits(here, there):
        tables = [[frame[frame["split"] == split].set_index("query_id") for frame in side] for side in frames]
        common, said = _common(tables, split)
        notes += said + _collection_notes(here[0], there[0], split)
        for metric in metrics if common else ():
            cells = [_cell(side, table, common, metric) for side, table in zip((here, there), tables, strict=True)]
            if all(cell is not None for cell in cells):
                rows.append(_row(split, metric, *(cell for cell in cells if cell is not None)))
    return Block(arms, datasets, tuple(_settings(here, there)), tuple(notes), tuple(rows))


def _seed_notes(here: Sequence[Member], there: Sequence[Member]) -> list[str]:
    seeds = [sorted(member.record.spec.seed for member in side) for side in (here, there)]
    if seeds[0] == seeds[1]:
        return []
    said = f"seeds differ: A {seeds[0]}, B {seeds[1]}"
    return [f"{said}; the common ones are compared" if set(seeds[0]) & set(seeds[1]) else said]


def _splits(here: Sequence[Member], there: Sequence[Member]) -> list[str]:
    """Return the test splits, of further sets too, that every run was judged on."""
    every = [set(member.record.metrics) for side in (here, there) for member in side]
    return sorted(split for split in set.intersection(*every) if split.partition("@")[0] == "test")


def _common(tables: "list[list[pd.DataFrame]]", split: str) -> tuple[list[str], list[str]]:
    """Return the queries that every run has, sorted, and what to say if some run has others."""
    sides = [set.intersection(*(set(table.index) for table in side)) for side in tables]
    common = sorted(sides[0] & sides[1])
    alone = [len(side) - len(common) for side in sides]
    if not any(alone):
        return common, []
    if not common:
        return common, [f"{split}: no query is in both, so nothing is compared"]
    return common, [f"{split}: queries differ: {alone[0]} only in A, {alone[1]} only in B; {len(common)} compared"]


def _collection_notes(here: Member, there: Member, split: str) -> list[str]:
    """Say that the collections have different digests."""
    ours, theirs = here.record.evaluated.get(split), there.record.evaluated.get(split)
    if ours is not None and theirs is not None:
        digests = (ours.digest, theirs.digest)
    else:
        digests = (here.record.spec.identities.get("dataset", ""), there.record.spec.identities.get("dataset", ""))
    if digests[0] == digests[1]:
        return []
    return [f"{split}: the collections differ: A {digests[0][:12]}, B {digests[1][:12]}"]


def _cell(side: Sequence[Member], tables: "list[pd.DataFrame]", common: list[str], metric: str) -> Cell | None:
    """Return the scores of one arm on the common queries; None if a run lacks the metric or a value of it."""
    if not all(metric in table for table in tables):
        return None
    scores = np.column_stack([table.loc[common, metric].to_numpy(np.float64) for table in tables])
    if not np.isfinite(scores).all():
        return None
    return Cell(
        arm=side[0].record.spec.arm,
        dataset="",
        planned=len(side),
        seeds=tuple(member.record.spec.seed for member in side),
        runs=tuple(member.record for member in side),
        queries=tuple(common),
        scores=scores,
    )


def _row(split: str, metric: str, left: Cell, right: Cell) -> Row:
    """Compare on the seeds that both have; where they share none, the means over each side's own."""
    pair = paired(right, left)
    if pair is None:
        pair = (right.scores.mean(axis=1, keepdims=True), left.scores.mean(axis=1, keepdims=True))
    seedless = not (left.trained or right.trained)
    result = paired_comparison(*pair, seed=SEED, seedless=seedless)
    means = float(pair[1].mean()), float(pair[0].mean())
    return Row(split, metric, *means, result, 1.0, "noise", identical=bool(np.array_equal(*pair)))


def _adjusted(blocks: Sequence[Block]) -> Iterator[Block]:
    """Adjust over every comparison that is shown, and only then judge."""
    adjusted = iter(adjusted_ps([row.result for block in blocks for row in block.rows], benjamini_hochberg))
    for block in blocks:
        rows = tuple(
            replace(row, p_adjusted=p, verdict=verdict(row.result, p, p_seeds))
            for row in block.rows
            for p, p_seeds in (next(adjusted),)
        )
        yield replace(block, rows=rows)


def _settings(here: Sequence[Member], there: Sequence[Member]) -> list[Differing]:
    """Compare the specs; the arm's name is none of them, and the seed only where each side is one run."""
    aside = {"arm.name"} if len(here) == len(there) == 1 else {"arm.name", "seed"}
    return [item for item in differing(here[0].record.spec, there[0].record.spec) if item.key not in aside]


def _environment(left: Side, right: Side) -> tuple[Differing, ...]:
    """Compare the values that each key of the environment takes over the runs of a side."""
    sides: list[dict[str, JsonValue]] = []
    for side in (left, right):
        values: dict[str, set[str]] = {}
        for member in side.members():
            if member.record.environment is not None:
                for key, value in flat(member.record.environment.model_dump(mode="json")):
                    values.setdefault(key, set()).add(str(value))
        sides.append({key: ", ".join(sorted(found)) for key, found in values.items()})
    keys = sorted({*sides[0], *sides[1]})
    pairs = [(key, sides[0].get(key, "unknown"), sides[1].get(key, "unknown")) for key in keys]
    return tuple(Differing(key, here, there) for key, here, there in pairs if here != there)
