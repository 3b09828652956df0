"""Put the outcome of a sweep into a few sentences, every number taken from the tables."""

from dataclasses import dataclass

import numpy as np

from harness.reporting import notation
from harness.reporting.comparisons import dev_score
from harness.reporting.tables import Analysis, OverallRow
from harness.spec import MiningSpec
from harness.stats import rank_correlation
from harness.sweep_files import read_points, read_search_end

__all__ = ["Answer", "Sentence", "answer", "plain_text"]

Sentence = tuple[str, ...]
"""Pieces of text; every second one, from index 1, is a name to be set in bold."""

_ENOUGH_ARMS = 4
_OUTCOMES = {
    "better": "beyond noise",
    "worse": "beyond noise",
    "noise": "no difference beyond noise",
    "seeds": "a difference over queries, but not beyond what other seeds would do to it",
    "one seed": "a difference over queries, but with one seed its spread over seeds is unknown",
}


@dataclass(frozen=True)
class Answer:
    """`sentences` say which arm won and by how much, `further` what else was learnt."""

    sentences: tuple[Sentence, ...]
    further: tuple[Sentence, ...]


def plain_text(sentences: tuple[Sentence, ...]) -> str:
    """Join sentences into one paragraph without emphasis."""
    return " ".join("".join(sentence) for sentence in sentences)


def answer(analysis: Analysis) -> Answer:
    """Answer the sweep's question from its numbers alone."""
    best = analysis.best
    if best is None:
        silence: Sentence = ("No trained arm has finished runs on every dataset, so the question stays open.",)
        return Answer((silence,), ())
    sentences = [_headline(analysis, best), _against_baseline(analysis, best)]
    further = [
        _corrected(analysis, best),
        _usable(analysis, best),
        _tied(analysis),
        _contamination(analysis),
        _oracle(analysis),
        _search(analysis),
    ]
    return Answer(
        tuple(sentence for sentence in sentences if sentence), tuple(sentence for sentence in further if sentence)
    )


def _label(analysis: Analysis) -> str:
    return notation.METRICS[analysis.results.plan.metric]


def _measured(analysis: Analysis) -> list[OverallRow]:
    return [row for row in analysis.overall if row.arm in analysis.contenders and row.score is not None]


def _on_average(analysis: Analysis) -> str:
    return f" on average over {len(analysis.tables)} datasets" if len(analysis.tables) > 1 else ""


def _headline(analysis: Analysis, best: OverallRow) -> Sentence:
    measured, name = len(_measured(analysis)), notation.plain(best.arm)
    score = f"{_label(analysis)} {notation.interval(best.score)}{_on_average(analysis)}"
    if measured == 1:
        return ("One way of choosing negatives was measured, ", name, f": {score}.")
    lost = len(analysis.contenders) - measured
    unmeasured = f" ({lost} more left no full set of numbers)" if lost else ""
    return (f"Of {measured} ways of choosing negatives{unmeasured}, ", name, f" scores highest: {score}.")


def _against_baseline(analysis: Analysis, best: OverallRow) -> Sentence:
    baseline = analysis.results.baseline
    if baseline is None:
        return ("No comparison was planned beforehand, so none is tested here.",)
    if best.arm == baseline:
        return ("That is the baseline itself: no other way scores above it.",)
    if best.difference is None:
        return ("The baseline, ", notation.plain(baseline), ", left no numbers to compare it with.")
    start = f" that is {notation.signed_interval(best.difference)}"
    return ("Against ", notation.plain(baseline), f"{start}{_on_average(analysis)}{_outcome(best)}.")


def _outcome(row: OverallRow) -> str:
    """Say what the tests on each dataset make of an overall difference."""
    tested = [item.versus for item in row.rows if item is not None and item.versus is not None]
    kind = "" if all(versus.planned for versus in tested) else " (exploratory: not planned)"
    if len(tested) == 1:
        return f", p = {notation.p_value(tested[0].p_adjusted)}{kind}: {_OUTCOMES[tested[0].verdict]}".replace(
            "p = <", "p < "
        )
    better, worse = (sum(versus.verdict == name for versus in tested) for name in ("better", "worse"))
    losses = f" and worse beyond noise on {worse}" if worse else ""
    return f"{kind}: better beyond noise on {better} of {len(tested)} datasets{losses}"


def _mining(analysis: Analysis, name: str) -> MiningSpec | None:
    return next(arm for arm in analysis.results.plan.arms if arm.name == name).mining


def _is_oracle(analysis: Analysis, name: str) -> bool:
    """Tell whether an arm reads the withheld labels."""
    mining = _mining(analysis, name)
    if mining is None:
        return False
    return mining.miner.name == "oracle" or (mining.repair is not None and mining.repair.suspect == "truth")


def _removes_the_hidden(analysis: Analysis, name: str) -> bool:
    """Tell whether an arm does nothing else with the withheld labels than to avoid what they name."""
    mining = _mining(analysis, name)
    acts = mining is not None and mining.repair is not None and mining.repair.action != "drop_negative"
    return _is_oracle(analysis, name) and not acts


def _usable(analysis: Analysis, best: OverallRow) -> Sentence:
    """Name the best arm that does without the withheld labels, where the best one needs them."""
    if not _is_oracle(analysis, best.arm):
        return ()
    others = [row for row in _measured(analysis) if not _is_oracle(analysis, row.arm)]
    if not others:
        return ("It reads the withheld labels, which nobody has in practice.",)
    score = notation.interval(others[0].score)
    return (
        "It reads the withheld labels, which nobody has in practice; the best that does not is ",
        notation.plain(others[0].arm),
        f", {score}.",
    )


def _corrected(analysis: Analysis, best: OverallRow) -> Sentence:
    """Allow for that the best of several is high by luck too; said of one dataset, the others are in their section."""
    found = analysis.selections
    if len(analysis.tables) > 1 or len(found) != 1 or found[0].arm != best.arm:
        return ()
    result = found[0].result
    against = ""
    if found[0].p is not None:
        against = (
            f", the difference {notation.signed_interval(result.difference)}, "
            f"p = {notation.p_value(found[0].p)} (max-T over all arms)"
        ).replace("p = <", "p < ")
    return (
        f"Corrected for being the best of {found[0].count}, its score is {notation.interval(result.score)}{against}.",
    )


def _tied(analysis: Analysis) -> Sentence:
    if len(analysis.tables) > 1:
        return ()
    names = [notation.plain(row.arm) for row in analysis.tables[0].rows if row.tied]
    if not names:
        return ()
    shown = names[:3]
    pieces = [piece for name in shown for piece in (", ", name)]
    pieces[0] = f"Not told apart from the highest ({len(names)} arms; exploratory): "
    if len(names) == 1:
        pieces[0] = "Not told apart from the highest (exploratory): "
    return (*pieces, f" and {len(names) - len(shown)} more." if len(names) > len(shown) else ".")


def _mean_contamination(row: OverallRow) -> float | None:
    found = [item.contamination for item in row.rows if item is not None and item.contamination is not None]
    return float(np.mean(found)) if found and len(found) == len(row.rows) else None


def _contamination(analysis: Analysis) -> Sentence:
    rows = [(row, share) for row in _measured(analysis) if (share := _mean_contamination(row)) is not None]
    if not rows:
        return ("No arm with mined negatives was audited, so contamination is unknown.",)
    if not _hidden_known(analysis):
        return ("The data withhold no known positives, so contamination cannot be measured.",)
    if len(rows) == 1:
        row, share = rows[0]
        return (f"Hidden positives make up {notation.percent(share)} of the negatives mined by ", row.arm, ".")
    least, most = min(rows, key=lambda item: item[1]), max(rows, key=lambda item: item[1])
    scores = [row.score.mean for row, _ in rows if row.score is not None]
    correlation = rank_correlation([share for _, share in rows], scores) if len(rows) >= _ENOUGH_ARMS else None
    related = (
        f"; over the {len(rows)} mining arms its rank correlation with {_label(analysis)} is "
        f"{notation.signed(correlation, 2)} (exploratory)."
        if correlation is not None
        else "."
    )
    return (
        f"Contamination of the mined negatives runs from {notation.percent(least[1])} (",
        notation.plain(least[0].arm),
        f") to {notation.percent(most[1])} (",
        notation.plain(most[0].arm),
        f"){related}",
    )


def _hidden_known(analysis: Analysis) -> bool:
    audits = [run.audit for _, run in analysis.results.finished() if run.audit is not None]
    return any(audit.hidden_in_pool or audit.hidden for audit in audits)


def _oracle(analysis: Analysis) -> Sentence:
    baseline = next((row for row in analysis.overall if row.arm == analysis.results.baseline), None)
    share = _mean_contamination(baseline) if baseline is not None else None
    row = next((row for row in _measured(analysis) if _removes_the_hidden(analysis, row.arm)), None)
    if baseline is None or share is None or row is None or row.difference is None or row is analysis.best:
        return ()
    change = f"{_label(analysis)} by {notation.signed_interval(row.difference)}{_on_average(analysis)}"
    return (
        "Of the negatives mined by ",
        notation.plain(baseline.arm),
        f", {notation.percent(share)} are hidden positives; removing exactly these (",
        notation.plain(row.arm),
        f") changes {change}{_outcome(row)}.",
    )


def _search(analysis: Analysis) -> Sentence:
    search = analysis.results.plan.search
    if search is None:
        return ()
    tried = [name for name in analysis.searched if dev_score(analysis.results, name) is not None]
    if analysis.chosen is None:
        return (f"A search over {search.arm} was planned ({search.trials} points); none has finished.",)
    row = next(row for row in analysis.overall if row.arm == analysis.chosen)
    dev = notation.decimal(dev_score(analysis.results, analysis.chosen))
    return (
        f"The search over {notation.plain(search.arm)} tried {len(tried)} of {search.trials} points; best on dev is ",
        notation.plain(analysis.chosen),
        f" (dev {dev}), with test {_label(analysis)} {notation.interval(row.score)}.{_how_the_search_went(analysis)}",
    )


def _how_the_search_went(analysis: Analysis) -> str:
    """Say how many points were given up, and why the search ended before its last."""
    homes = sorted(set(analysis.results.homes.values()))
    pruned = sum(bool(point.pruned_after) for home in homes for point in read_points(home))
    ends = [end for home in homes if (end := read_search_end(home)) is not None]
    said = f" Of the points, {pruned} more were given up early: they were worse on dev." if pruned else ""
    return said + "".join(f" It ended after {end.tried} of {end.planned} points: {end.why}." for end in ends)
