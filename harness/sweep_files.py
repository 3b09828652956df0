"""What a sweep's folder says of the sweep: `plan.json`, `points.jsonl` and `search.json`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from harness.errors import StorageError
from harness.names import require_plain_names
from harness.record import absent, write_text
from harness.spec import ArmSpec, PlannedRun, Spec, SweepPlan, Values
from harness.store import append_line, write_file

__all__ = [
    "Point",
    "PointsFile",
    "SearchEnd",
    "read_plan",
    "read_points",
    "read_points_file",
    "read_search_end",
    "read_sweep",
    "write_points",
    "write_search_end",
]


_POINTS = "points.jsonl"


def _zero(value: object) -> bool:
    return value == 0


class Point(Spec):
    """One point that a search asked for: its values of the knobs it had, the arm that they make, and its runs.

    `origin` is the digest of the search that asked, where asking again need not give the same
    digits. `pruned_after` counts the runs after which it was given up, 0 for one that was not;
    the others of `runs` were then not carried out. `seconds` of wall-clock time are kept where
    the search has a budget of them.
    """

    number: int
    values: Values
    arm: ArmSpec
    runs: tuple[PlannedRun, ...]
    origin: Annotated[str, Field(exclude_if=absent)] = ""
    pruned_after: Annotated[int, Field(exclude_if=_zero)] = 0
    seconds: Annotated[float | None, Field(exclude_if=absent)] = None


def read_points(results: Path) -> list[Point]:
    """Read the points of a sweep's search from `points.jsonl`, in the order in which they were asked for.

    A last line that a crash tore off is left out: its point is asked for again. Raises
    StorageError if another line is malformed.
    """
    return _parsed(path, _whole_lines(path)) if (path := results / _POINTS).exists() else []


def read_points_file(path: Path) -> list[Point]:
    """Read a list of points, one a line; raise StorageError if it is missing or malformed."""
    return _parsed(path, _content(path).splitlines())


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error}"
        raise StorageError(message) from error


def _whole_lines(path: Path) -> list[bytes]:
    content = _content(path)
    return content[: content.rfind(b"\n") + 1].splitlines()


def _parsed(path: Path, lines: list[bytes]) -> list[Point]:
    try:
        points = [Point.model_validate_json(line) for line in lines]
    except ValidationError as error:
        message = f"{path} holds a line that is no point: {str(error).splitlines()[0]}"
        raise StorageError(message) from error
    require_plain_names(path, [run.fingerprint for point in points for run in point.runs])
    return points


def write_points(results: Path, points: list[Point]) -> None:
    """Write the points asked for so far."""
    write_file(results / _POINTS, b"".join(map(_line, points)))


def _line(point: Point) -> bytes:
    return point.model_dump_json().encode() + b"\n"


class PointsFile:
    """The file `points.jsonl` of a search that goes on: a further point costs one line, not all of them.

    Raises StorageError where it cannot be read or written.
    """

    def __init__(self, results: Path) -> None:
        self._path = results / _POINTS
        self._lines = [line + b"\n" for line in _whole_lines(self._path)] if self._path.exists() else []
        self._size = sum(map(len, self._lines))

    def put(self, place: int, point: Point) -> None:
        """Write the point at a place that is there or is the next one; what is there already is not written again."""
        line = _line(point)
        if place == len(self._lines):
            append_line(self._path, line, behind=self._size)
            self._lines.append(line)
            self._size += len(line)
        elif self._lines[place] != line:
            self._lines[place] = line
            self._write_anew()

    def cut(self, count: int) -> None:
        """Drop all points but the first `count`."""
        if count < len(self._lines) or not self._path.exists():
            del self._lines[count:]
            self._write_anew()

    def _write_anew(self) -> None:
        content = b"".join(self._lines)
        write_file(self._path, content)
        self._size = len(content)


class SearchEnd(Spec):
    """That a search ended after `tried` of its points, and why."""

    tried: int
    planned: int
    why: str


_END = "search.json"


def write_search_end(results: Path, end: SearchEnd | None) -> None:
    """Keep why a search ended before its last point; None if it did not."""
    path = results / _END
    if end is None:
        path.unlink(missing_ok=True)
    else:
        write_text(path, end.model_dump_json(indent=1) + "\n")


def read_search_end(results: Path) -> SearchEnd | None:
    """Read why a search ended before its last point; None if it did not, or is under way."""
    path = results / _END
    if not path.exists():
        return None
    try:
        return SearchEnd.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        message = f"{path} does not say how a search ended: {str(error).splitlines()[0]}"
        raise StorageError(message) from error


def read_sweep(results: Path) -> SweepPlan:
    """Read a sweep's plan together with the points that its search has asked for, as further arms and runs.

    Points that were given up are left out: they were judged on part of their runs.
    """
    plan = read_plan(results)
    points = [point for point in read_points(results) if not point.pruned_after]
    return plan.model_copy(
        update={
            "arms": (*plan.arms, *(point.arm for point in points)),
            "runs": (*plan.runs, *(run for point in points for run in point.runs)),
        }
    )


def read_plan(results: Path) -> SweepPlan:
    """Read `plan.json` of a sweep; raise StorageError if it is missing or malformed."""
    path = results / "plan.json"
    try:
        plan = SweepPlan.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = f"{path} is missing: is {results} the results folder of a sweep?"
        raise StorageError(message) from error
    except (ValidationError, UnicodeDecodeError) as error:
        message = f"{path} is not a plan: {str(error).splitlines()[0]}"
        raise StorageError(message) from error
    require_plain_names(path, [plan.name, *(run.fingerprint for run in plan.runs)])
    return plan
