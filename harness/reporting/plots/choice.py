"""Choose which arms a figure shows where it has no room for all of them."""

from collections.abc import Sequence

__all__ = ["MOST_PANELS", "MOST_ROWS", "chosen", "left_out"]

MOST_PANELS = 12
MOST_ROWS = 24


def chosen(ranked: Sequence[str], most: int, baseline: str | None) -> tuple[str, ...]:
    """Return at most `most` of `ranked`, in its order: the baseline, two highest for each lowest."""
    if len(ranked) <= most:
        return tuple(ranked)
    others = [name for name in ranked if name != baseline]
    room = most - (len(ranked) - len(others))
    lowest = room // 3
    kept = {baseline, *others[: room - lowest], *others[len(others) - lowest :]}
    return tuple(name for name in ranked if name in kept)


def left_out(count: int) -> str:
    """Return the sentence that says how many arms are not drawn, with a space before it; nothing where none is."""
    if count == 0:
        return ""
    noun = "arm is" if count == 1 else "arms are"
    return f" Shown are the baseline, the highest and the lowest; {count:,} further {noun} in the CSV beside it."
