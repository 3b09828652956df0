"""Files of a sweep that change as it goes on: what stands where here and there differ."""

from pydantic import ValidationError

from harness.errors import StorageError
from harness.spec import SweepPlan

__all__ = ["GROWING", "joined"]

GROWING = ("plan.json", "ledger.jsonl", "points.jsonl", "guard.json")


def joined(name: str, here: bytes, there: bytes) -> bytes:
    """Return what stands of a file of `GROWING` that has two contents.

    Of plans the one that amends the other; of ledgers the lines of both, ours last; else
    what has more lines. Raises StorageError for plans of which neither amends the other.
    """
    if here == there:
        return here
    if name == "plan.json":
        return _later_plan(here, there)
    if name == "ledger.jsonl":
        return _all_lines(there, here)
    return there if there.count(b"\n") > here.count(b"\n") else here


def _later_plan(here: bytes, there: bytes) -> bytes:
    ours, theirs = _history(here, "here"), _history(there, "there")
    if ours[: len(theirs)] == theirs:
        return here
    if theirs[: len(ours)] == ours:
        return there
    message = (
        f"plan.json has the hash {ours[-1]} here and {theirs[-1]} on object storage, and neither amends the other: "
        "give the sweep another name, or move the results of one of them away"
    )
    raise StorageError(message)


def _history(content: bytes, where: str) -> tuple[str, ...]:
    try:
        plan = SweepPlan.model_validate_json(content)
    except ValidationError as error:
        message = f"plan.json {where} is not a plan: {str(error).splitlines()[0]}"
        raise StorageError(message) from error
    return (*plan.amends, plan.hash)


def _all_lines(first: bytes, second: bytes) -> bytes:
    """Return the whole lines of both, each once; what a crash tore off is left out."""
    lines = [line for content in (first, second) for line in content[: content.rfind(b"\n") + 1].splitlines(True)]
    return b"".join(dict.fromkeys(lines))
