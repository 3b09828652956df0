"""Where the numbers come from, so that a stranger can have them again."""

from collections.abc import Iterable

from harness.record import Environment
from harness.reporting import notation
from harness.reporting.blocks import Column, Pairs, Prose, Section, Table
from harness.reporting.facts import environment_rows, hash_rows, timing_rows
from harness.reporting.tables import Analysis

__all__ = ["reproduction"]

_HOUR = 3600.0


def reproduction(analysis: Analysis) -> Section:
    """Return commands, environment, hashes, costs and a checklist."""
    parts = (
        Section("Commands", (Prose(((_COMMANDS,),)), Pairs(tuple(_commands(analysis))))),
        Section("Environment", (Pairs(tuple(environment_rows(analysis.results))),)),
        Section("Data and models (SHA-256)", (Pairs(tuple(hash_rows(analysis.results))),)),
        Section("Time and energy", (Pairs(tuple(_times(analysis))),)),
        Section("Checklist", (Prose(((_ASKED,),)), _checklist(analysis))),
    )
    return Section("Reproduction", (), tuple(part for part in parts if part.blocks != (Pairs(()),)))


_COMMANDS = (
    "RESULTS is the folder with plan.json. Each command tells what differs; equal packages and processors should give "
    "equal numbers, others numbers within the spread over seeds."
)
_ASKED = "What reviewers ask, answered from the records."


def _commands(analysis: Analysis) -> list[tuple[str, str]]:
    del analysis
    return [
        ("Run it again", "winnow reproduce RESULTS"),
        ("Rebuild this report", "winnow report RESULTS"),
        ("Hand it on, and check it", "winnow bundle RESULTS; winnow verify BUNDLE"),
    ]


def _times(analysis: Analysis) -> list[tuple[str, str]]:
    results = analysis.results
    rows = [(f"Stage {stage}", f"{seconds:,.1f} s") for stage, seconds in timing_rows(results)]
    devices: dict[str, float] = {}
    for _, run in results.finished():
        device = run.environment.device if run.environment else "unknown device"
        spent = sum(run.timings.values()) + sum(attempt.seconds for attempt in run.earlier)
        devices[device] = devices.get(device, 0.0) + spent
    lost = sum(item.seconds for item in results.incidents)
    hours = "; ".join(f"{seconds / _HOUR:.3f} h on {name}" for name, seconds in sorted(devices.items()))
    rows.append(("Device hours", f"{hours or 'none'}, failed attempts of finished runs included"))
    rows.append(("Runs that never finished", f"{lost / _HOUR:.3f} h"))
    return [*rows, ("Shared preparation", "not counted"), ("Energy", "not measured")]


def _checklist(analysis: Analysis) -> Table:
    results, plan = analysis.results, analysis.results.plan
    environments = [run.environment for _, run in results.finished() if run.environment is not None]
    runs = sum(1 for _ in results.finished())
    answers = (
        ("Claims match results", "by design", "the answer on page one is generated from the tables"),
        ("Comparisons fixed beforehand", *_yes(bool(plan.hash), f"{len(plan.comparisons)} planned, plan {plan.hash}")),
        ("Plan unchanged", *_yes(not plan.amends, f"{len(plan.amends)} amendments")),
        ("Tuned on dev, judged on test", "by design", "no objective, early stopping or choice of a point reads test"),
        ("Several seeds", *_yes(len(plan.seeds) > 1, f"seeds {', '.join(map(str, plan.seeds))}")),
        ("Intervals and tests with method", "by design", "section How differences are judged"),
        ("Correction for several comparisons", *_yes(bool(plan.comparisons), "Holm over the planned family")),
        ("All runs reported", *_yes(not results.incidents, f"{runs} of {len(plan.runs)} planned runs have numbers")),
        ("Same pairs for every arm", *_yes(plan.equal_queries, "equal_queries of the plan")),
        ("Data identified by content", *_yes(_hashed(analysis), "SHA-256 of collections, bases and teachers")),
        ("Code identified", *_code(environments)),
        ("Packages locked", *_locked(environments)),
        ("Hardware stated", *_yes(len(environments) == runs > 0, "section Environment")),
        ("Compute stated, failures included", "partly", "device hours; shared preparation and energy are not counted"),
    )
    columns = (Column("Question", text=True, share=2.0), Column("Answer", text=True, share=0))
    rows = tuple((what, said, notation.plain(why)) for what, said, why in answers)
    return Table((*columns, Column("Why", text=True, share=3.0)), rows)


def _yes(holds: bool, why: str) -> tuple[str, str]:  # noqa: FBT001  # the answer itself
    return ("yes" if holds else "NO", why)


def _hashed(analysis: Analysis) -> bool:
    return all(run.spec.identities or run.hashes for _, run in analysis.results.finished())


def _code(environments: Iterable[Environment]) -> tuple[str, str]:
    found = {(here.commit, here.dirty, here.diff) for here in environments}
    if not found or any(not commit for commit, *_ in found):
        return "NO", "no commit is known of some run"
    if any(dirty and not diff for _, dirty, diff in found):
        return "NO", "some run was made with changes that were not kept"
    changed = any(dirty for _, dirty, _ in found)
    return "yes", "commit" + (", and its uncommitted changes as environment/*.patch" if changed else "")


def _locked(environments: Iterable[Environment]) -> tuple[str, str]:
    locks = {here.lock for here in environments}
    if not locks or "" in locks:
        return "partly", "versions of the packages that matter; no full list was kept"
    return "yes", "environment/*.lock lists every installed distribution"
