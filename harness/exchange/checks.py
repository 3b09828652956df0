"""One line of a verification: what was looked at, whether it held, and where it did not."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from harness.errors import WinnowError

__all__ = ["Check", "Outcome", "failed", "guarded", "judged", "skipped"]

Outcome = Literal["ok", "FAILED", "not checked"]


@dataclass(frozen=True)
class Check:
    """A check with its outcome; `differences` has one line for each thing that differs."""

    name: str
    outcome: Outcome
    text: str
    differences: tuple[str, ...] = ()


def judged(name: str, text: str, differences: Iterable[str]) -> Check:
    """Return a check that holds if nothing differs."""
    found = tuple(differences)
    return Check(name, "FAILED" if found else "ok", text, found)


def failed(name: str, difference: str) -> Check:
    """Return a check that could not even be carried out, because of what it met."""
    return Check(name, "FAILED", "cannot be carried out", (difference,))


def skipped(name: str, text: str) -> Check:
    """Return a check for which the bundle holds too little."""
    return Check(name, "not checked", text)


def guarded(name: str, check: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    """Carry out a check on files of strangers: what breaks it is a difference, not the end of the others."""
    try:
        yield from check()
    except WinnowError as error:
        yield failed(name, " ".join(str(error).split()))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, OSError) as error:
        yield failed(name, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
