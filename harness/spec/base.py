"""What all specs are made of."""

from typing import Annotated, ClassVar, Literal

from annotated_types import MinLen
from pydantic import BaseModel, ConfigDict, JsonValue

__all__ = ["STRICT", "Component", "MetricName", "SafeName", "Spec", "unset"]

STRICT = ConfigDict(strict=True, extra="forbid", frozen=True)
"""How strategies (pydantic dataclasses) and specs are validated: no coercion, no unknown key."""

MetricName = Literal["ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100", "map_at_100", "auc"]
SafeName = Annotated[str, MinLen(1)]


class Spec(BaseModel):
    """Base of all specs: frozen, strict, unknown keys refused; `expected` is how a file gives one."""

    expected: ClassVar[str] = "a mapping"
    model_config = STRICT


class Component(Spec):
    """A registered strategy by name, with every parameter written out."""

    expected: ClassVar[str] = "a name, or a mapping with a name"
    name: SafeName
    params: dict[str, JsonValue] = {}

    @property
    def label(self) -> str:
        """Name and parameters as a person writes them: `topk_percpos(k=4, share=0.95)`."""
        inside = ", ".join(f"{key}={value}" for key, value in sorted(self.params.items()))
        return f"{self.name}({inside})" if inside else self.name


def unset(value: object) -> bool:
    """Tell a value that is not there, as fields use it that are then no part of any digest."""
    return value is None or value is False or value == ()
