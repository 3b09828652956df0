"""A range of a search, its ends filled in from the annotations that also validate."""

from collections.abc import Sequence

from harness.config.findings import Findings, Setting
from harness.mistakes import KeyPath
from harness.parameters import Bounds, Shape
from harness.spec import RangeSpec

__all__ = ["read_range"]

Number = float | int


def read_range(given: RangeSpec, shapes: Sequence[Shape], path: KeyPath, findings: Findings) -> RangeSpec:
    """Fill in the bounds that are not given, and note those that the parameter's own range excludes.

    `shapes` has one shape for each strategy that may stand there; the range has to suit all.
    """
    shape = _common(shapes)
    own_low, own_high = _closed(shape)
    low = _end(Setting(given.low if given.low is not None else own_low, (*path, "low")), shape, findings)
    high = _end(Setting(given.high if given.high is not None else own_high, (*path, "high")), shape, findings)
    if low is None or high is None:
        return given
    if low >= high:
        findings.add((*path, "low"), f"must be below high, got low {low} and high {high}")
    if given.log and low <= 0:
        findings.add((*path, "log"), f"must be false where low is not above 0, got low {low}")
    return RangeSpec(low=low, high=high, log=given.log)


def _common(shapes: Sequence[Shape]) -> Shape:
    """Return the shape of the numbers that all of `shapes` allow."""
    lows = [(shape.bounds.low, shape.bounds.low_open) for shape in shapes if shape.bounds.low is not None]
    highs = [(shape.bounds.high, not shape.bounds.high_open) for shape in shapes if shape.bounds.high is not None]
    low, low_open = max(lows, default=(None, False))
    high, high_closed = min(highs, default=(None, True))
    whole = any(shape.base is int for shape in shapes)
    return Shape(int if whole else float, Bounds(low, high, low_open, not high_closed))


def _closed(shape: Shape) -> tuple[Number | None, Number | None]:
    """Return the ends that the annotation includes; a number that it excludes is no end to search up to."""
    bounds, whole = shape.bounds, shape.base is int
    low: Number | None = bounds.low
    high: Number | None = bounds.high
    if low is not None and bounds.low_open:
        low = low + 1 if whole else None
    if high is not None and bounds.high_open:
        high = high - 1 if whole else None
    return low, high


def _end(end: Setting, shape: Shape, findings: Findings) -> Number | None:
    value = end.value
    if value is None:
        findings.add(end.path, f"is required: the parameter is {shape}, which has no end of its own to search up to")
        return None
    assert isinstance(value, int | float)  # noqa: S101  RangeSpec holds nothing else
    if shape.base is int and not isinstance(value, int):
        findings.add(end.path, f"must be {shape}, got {value}")
        return None
    if shape.bounds != Bounds() and value not in shape.bounds:
        findings.add(end.path, f"must be {shape.bounds}, got {value}")
        return None
    return value if shape.base is int else float(value)
