"""Batches made of matrices, and losses with drawn parameters, to test losses on."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from harness.errors import ConfigError
from harness.losses.base import Batch, Loss
from harness.parameters import Parameter, Shape, parameters
from harness.registry import LOSSES

G = torch.tensor([[0.90, 0.70, 0.20], [0.30, 0.80, 0.75], [0.10, 0.40, 0.60]], dtype=torch.float64)
"""Three queries and their positives, on the diagonal; losses have known values on it."""

S = torch.tensor([[0.80, 0.85, 0.60], [0.78, 0.80, 0.30], [0.95, 0.20, 0.70]], dtype=torch.float64)
"""Likewise, with two documents above a positive and one just below."""

_FLOATS = (-2.0, -0.25, 0.0, 0.01, 0.05, 0.25, 0.5, 1.0, 1.5, 2.0, 20.0, 1000.0)


@dataclass(frozen=True)
class Given:
    """Similarities as they are given, those that a test does not give being absent."""

    query_document: torch.Tensor
    query_query: torch.Tensor | None = None
    positive_document: torch.Tensor | None = None

    @property
    def blocks(self) -> tuple[torch.Tensor, ...]:
        return tuple(
            block for block in (self.query_document, self.query_query, self.positive_document) if block is not None
        )


def batch(similarity: torch.Tensor, allowed: torch.Tensor | None = None, **rest: object) -> Batch:
    """Make a batch of similarities (b, c): positives on the diagonal, then the own negatives column by column."""
    b, c = similarity.shape
    target = torch.arange(b)
    own = target[:, None] + b * torch.arange(1, c // b)
    allowed = torch.ones(b, c, dtype=torch.bool) if allowed is None else allowed
    return Batch(**{"student": Given(similarity), "target": target, "allowed": allowed, "own": own} | rest)


@st.composite
def batches(draw: DrawFn, *, teachers: int = 1, weighted: bool | None = None, k: int | None = None) -> Batch:
    """Draw a batch on a coarse grid of cosines, so that ties and equal rows are common; all of it may be refused."""
    b, k = draw(st.integers(1, 4)), draw(st.integers(0, 3)) if k is None else k
    rng = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    levels = draw(st.sampled_from([1, 4, 1000]))
    c = b * (1 + k)
    own = torch.arange(b)[:, None] + b * torch.arange(1, 1 + k)
    allowed = torch.rand(b, c, generator=rng) < draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))
    allowed[torch.arange(b), torch.arange(b)] = True
    weight = torch.ones(b, c)
    weight.scatter_(1, own, torch.randint(0, 5, (b, k), generator=rng) / 4.0)
    return Batch(
        student=_cosines(b, c, levels, dtype, rng),
        target=torch.arange(b),
        allowed=allowed,
        own=own,
        weight=weight if (draw(st.booleans()) if weighted is None else weighted) else None,
        guide=_cosines(b, c, levels, torch.float32, rng),
        teacher=_grid((teachers, b, 1 + k), levels, torch.float32, rng),
        document=torch.randint(0, 2 * c, (c,), generator=rng),
    )


def _cosines(b: int, c: int, levels: int, dtype: torch.dtype, rng: torch.Generator) -> Given:
    queries, positives = _grid((b, b), levels, dtype, rng), _grid((b, c), levels, dtype, rng)
    for block in (queries, positives):
        block[torch.arange(b), torch.arange(b)] = 1.0
    return Given(*(block.requires_grad_() for block in (_grid((b, c), levels, dtype, rng), queries, positives)))


def _grid(shape: tuple[int, ...], levels: int, dtype: torch.dtype, rng: torch.Generator) -> torch.Tensor:
    return torch.randint(-levels, levels + 1, shape, generator=rng).to(dtype) / levels


def changed(given: Batch, change: Any) -> Batch:
    """Apply a function to every block of student and guide towards documents, as new leaves."""
    parts = {}
    for side in ("student", "guide"):
        blocks: Given = getattr(given, side)
        parts[side] = Given(
            *(
                (change(block) if name != "query_query" else block).detach().clone().requires_grad_()
                for name, block in vars(blocks).items()
            )
        )
    return replace(given, **parts)


def gradients(loss: Loss, given: Batch) -> list[torch.Tensor]:
    """Return the gradients of the summed loss at the student's blocks, 0 for one that is not read."""
    found = torch.autograd.grad(loss(given).sum(), given.student.blocks, allow_unused=True, materialize_grads=True)
    return list(found)


@st.composite
def losses(draw: DrawFn, name: str) -> Loss:
    """Draw the loss `name` with any parameters that go together."""
    known = parameters(LOSSES[name].factory)
    values = draw(st.fixed_dictionaries({each.name: _of(each) for each in known}).filter(lambda v: _built(name, v)))
    return _built(name, values)


def _built(name: str, values: dict[str, object]) -> Loss | None:
    try:
        return LOSSES.create(name, values)
    except ConfigError:
        return None


def _of(parameter: Parameter) -> SearchStrategy[Any]:
    return st.one_of(st.just(parameter.default), *(_of_shape(shape) for shape in parameter.shapes))


def _of_shape(shape: Shape) -> SearchStrategy[Any]:
    if shape.choices:
        return st.sampled_from(shape.choices)
    if shape.base is list:
        return st.lists(st.sampled_from(shape.items[0].choices), unique=True)
    if shape.base in (int, float):
        grid = (1, 2, 3) if shape.base is int else _FLOATS
        return st.sampled_from([value for value in grid if value in shape.bounds])
    return st.booleans() if shape.base is bool else st.none()
