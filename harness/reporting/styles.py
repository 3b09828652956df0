"""One colour and one marker for each family of methods, the same in every figure of a report."""

__all__ = ["Styles", "family_styles"]

# Okabe and Ito's palette in an order that also alternates in lightness, each with a shape of its own
_STYLES = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#56B4E9", "v"),
    ("#E69F00", "P"),
    ("#1a1a1a", "X"),
    ("#8c8c8c", "h"),
)

Styles = dict[str, tuple[str, str]]


def family_styles(families: list[str]) -> Styles:
    """Give each family its colour and marker, by order of first appearance in the plan."""
    n = len(_STYLES)
    return {
        family: (_STYLES[index % n][0], _STYLES[(index + index // n) % n][1])
        for index, family in enumerate(dict.fromkeys(families))
    }
