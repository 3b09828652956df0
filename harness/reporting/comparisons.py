"""Which arms are compared with which, in which family, and what comes of it."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.reporting.results import Cell, Results
from harness.search.objectives import mean_minimised
from harness.stats import PairedComparison, Verdict, benjamini_hochberg, holm, paired_comparisons, verdict

__all__ = [
    "SEED",
    "Versus",
    "adjusted_ps",
    "against_baseline",
    "against_best",
    "chosen_point",
    "compare_all",
    "contenders",
    "dev_score",
    "minimised_score",
    "paired",
    "search_points",
]

SEED = 20
"""Seeds every resampling of a report; all comparisons share one stream, so that renaming an arm changes nothing."""

FloatArray = npt.NDArray[np.float64]
Member = tuple[str, str, str]
"""An arm, a dataset, and the arm that it is compared with there."""


@dataclass(frozen=True)
class Versus:
    """One comparison with its place.

    `planned` ones form one family, adjusted by Holm; the others, which are exploratory,
    another, adjusted by Benjamini and Hochberg.
    """

    baseline: str
    result: PairedComparison
    p_adjusted: float
    verdict: Verdict
    planned: bool
    p_seeds_adjusted: float | None = None


def paired(cell: Cell, other: Cell) -> tuple[FloatArray, FloatArray] | None:
    """Return the scores of both on their common seeds, or None if there are none.

    An arm that is not trained does not depend on the seed: where its seeds differ from
    the other's, its mean stands in for each of them.
    """
    common = [seed for seed in cell.seeds if seed in other.seeds]
    if common and (cell.trained == other.trained or len(common) == max(len(cell.seeds), len(other.seeds))):
        return _columns(cell, common), _columns(other, common)
    if not cell.trained and cell.runs and other.runs:
        return np.repeat(cell.scores.mean(axis=1, keepdims=True), len(other.seeds), axis=1), other.scores
    if not other.trained and cell.runs and other.runs:
        return cell.scores, np.repeat(other.scores.mean(axis=1, keepdims=True), len(cell.seeds), axis=1)
    return None


def _columns(cell: Cell, seeds: list[int]) -> FloatArray:
    return cell.scores[:, [cell.seeds.index(seed) for seed in seeds]]


def compare_all(results: Results, members: Iterable[Member]) -> dict[Member, PairedComparison | None]:
    """Make every comparison (arm, dataset, baseline); None for one that lacks runs.

    Those of one dataset share their resamples and are made at once.
    """
    made: dict[Member, PairedComparison | None] = dict.fromkeys(members)
    ready: dict[str, list[tuple[Member, tuple[FloatArray, FloatArray], bool]]] = {}
    for member in made:
        arm, dataset, baseline = member
        cell, other = results.cells.get((arm, dataset)), results.cells.get((baseline, dataset))
        pair = paired(cell, other) if cell is not None and other is not None else None
        if cell is not None and other is not None and pair is not None:
            ready.setdefault(dataset, []).append((member, pair, not (cell.trained or other.trained)))
    for found in ready.values():
        pairs, seedless = [pair for _, pair, _ in found], [constant for *_, constant in found]
        for (member, *_), result in zip(found, paired_comparisons(pairs, seed=SEED, seedless=seedless), strict=True):
            made[member] = result
    return made


def against_baseline(results: Results) -> dict[tuple[str, str], Versus]:
    """Compare each arm with the baseline on each dataset; keys are (arm, dataset).

    The planned comparisons of all datasets are one family. One that could not be made
    for want of runs stays in it with p = 1, so that failures never ease the correction.
    What was planned of the arm that a search varies is said of the point chosen on dev.
    """
    if results.baseline is None:
        return {}
    search = results.plan.search
    stands_for = {search.arm: chosen_point(results) or search.arm} if search else {}
    planned = [(stands_for.get(item.arm, item.arm), item.dataset, item.baseline) for item in results.plan.comparisons]
    known = {(arm, dataset) for arm, dataset, _ in planned}
    others = [
        (arm, dataset, results.baseline)
        for arm, dataset in results.cells
        if (arm, dataset) not in known and arm != results.baseline
    ]
    return {**_family(results, planned, planned=True), **_family(results, others, planned=False)}


def _family(results: Results, members: Iterable[Member], *, planned: bool) -> dict[tuple[str, str], Versus]:
    made = compare_all(results, members)
    adjusted = adjusted_ps(list(made.values()), holm if planned else benjamini_hochberg)
    return {
        (arm, dataset): Versus(baseline, result, p, verdict(result, p, p_seeds), planned, p_seeds)
        for ((arm, dataset, baseline), result), (p, p_seeds) in zip(made.items(), adjusted, strict=True)
        if result is not None
    }


def adjusted_ps(
    made: Sequence[PairedComparison | None], correct: Callable[[Sequence[float]], list[float]]
) -> list[tuple[float, float | None]]:
    """Return the adjusted p of each member of a family, over queries and over queries and seeds.

    A member without one counts as p = 1; the second is None where the seeds are unknown.
    """
    over_queries = correct([1.0 if result is None else result.p_permutation for result in made])
    known = [None if result is None else result.p_seeds for result in made]
    over_seeds = correct([1.0 if p is None else p for p in known])
    return [(p, None if raw is None else q) for p, raw, q in zip(over_queries, known, over_seeds, strict=True)]


def search_points(results: Results) -> list[str]:
    """Return the arms that are points of the plan's search, in order: `<arm> #<number> (...)`."""
    search = results.plan.search
    if search is None:
        return []
    pattern = re.compile(re.escape(search.arm) + r" #\d+\b")
    return [arm.name for arm in results.plan.arms if pattern.match(arm.name)]


def dev_score(results: Results, arm: str) -> float | None:
    """Return the mean over datasets of an arm's dev metric, None if it is not known on each.

    Of a search behind a guard it is what the guard says of its points, and nothing of other arms.
    """
    if results.behind_guard:
        return results.guarded.get(arm)
    cells = [results.cells.get((arm, dataset)) for dataset in results.datasets]
    values = [cell.mean_metric("dev", results.plan.metric) if cell is not None else None for cell in cells]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def minimised_score(results: Results, arm: str) -> float | None:
    """Return the mean over runs of what the search lowers; None if it lowers nothing or the arm has no runs."""
    search = results.plan.search
    runs = [run for dataset in results.datasets if (cell := results.cells.get((arm, dataset))) for run in cell.runs]
    return None if search is None or search.minimise is None or not runs else mean_minimised(runs, search.minimise)


def chosen_point(results: Results) -> str | None:
    """Return the searched point with the highest dev metric: the only one that may be judged on test.

    With a second objective it is the end of the front where dev is best; of points that
    are equal on dev the one that is lower in it.
    """
    scored = [(score, name) for name in search_points(results) if (score := dev_score(results, name)) is not None]
    return max(scored, key=lambda item: (item[0], -(minimised_score(results, item[1]) or 0.0)))[1] if scored else None


def contenders(results: Results) -> list[str]:
    """Return the arms that can be called best.

    Arms that are not trained choose no negatives, and of a search's points only the
    one chosen on dev counts: picking among them on test would reward luck. The arm that
    the search varies is not run as it stands.
    """
    barred = set(search_points(results)) - {chosen_point(results)}
    if results.plan.search is not None and not any(arm == results.plan.search.arm for arm, _ in results.cells):
        barred.add(results.plan.search.arm)
    return [arm.name for arm in results.plan.arms if arm.training is not None and arm.name not in barred]


def against_best(results: Results, dataset: str) -> tuple[str | None, frozenset[str]]:
    """Return the arm with the highest mean on a dataset and those not told apart from it.

    Exploratory: the best is picked by the data that test it. Holm over the arms compared.
    """
    cells = [results.cells[name, dataset] for name in contenders(results) if (name, dataset) in results.cells]
    cells = [cell for cell in cells if cell.runs]
    if not cells:
        return None, frozenset()
    best = max(cells, key=lambda cell: float(cell.scores.mean()))
    members = [(cell.arm.name, dataset, best.arm.name) for cell in cells if cell is not best]
    others = {arm: result for (arm, *_), result in compare_all(results, members).items() if result is not None}
    adjusted = adjusted_ps(list(others.values()), holm)
    tied = {
        name
        for (name, result), (p, p_seeds) in zip(others.items(), adjusted, strict=True)
        if verdict(result, p, p_seeds) in {"noise", "seeds"}
    }
    return best.arm.name, frozenset(tied)
