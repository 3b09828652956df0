"""Distillation: the student learns what teachers say of a pair's positive and mined negatives."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.errors import ConfigError
from harness.losses.base import Batch, Guidance, Loss, Scale, looked_up, weighted_mean
from harness.registry import LOSSES
from harness.spec import STRICT

if TYPE_CHECKING:
    import torch

__all__ = ["KLDistillation", "MarginMSE"]

ScoreScale = Annotated[float, Interval(gt=0.0, le=1000.0)] | None
"""What teachers' scores are multiplied by once they lie in [0, 1] row by row; None leaves one's as they are."""

_SMALLEST_SPREAD = 1e-6


@dataclass(kw_only=True, config=STRICT)
class _Distillation(Loss):
    guidance: ClassVar[Guidance] = "scores"

    scale: Scale = 20.0
    score_scale: ScoreScale = None

    def objection(self, *, guides: int, mined: bool) -> str | None:
        """Say that there is nothing to compare the positive with, or that teachers' scores have no common scale."""
        if not mined:
            return "needs mined negatives, and this arm has none"
        return _several(guides) if self.score_scale is None and guides > 1 else None

    def _candidates(self, batch: Batch) -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
        """Return the cosines, masses and teachers' scores of the positive and the own negatives. Shape (b, 1 + k).

        The positive has mass 1; what has none has cosine and score 0.
        """
        import torch

        columns = torch.cat([batch.target[:, None], batch.own], dim=1)
        mass = batch.mass.scatter(1, batch.target[:, None], value=1.0).gather(1, columns)
        nothing = mass == 0.0
        cosine = batch.similarity.gather(1, columns).masked_fill(nothing, 0.0)
        teacher = looked_up(batch.teacher, "teachers' scores").detach().to(cosine)
        return cosine, mass, self._agreed(teacher, nothing)

    def _agreed(self, teacher: "torch.Tensor", nothing: "torch.Tensor") -> "torch.Tensor":
        """Make one score of several teachers' (t, b, 1 + k); what is `nothing` gets 0. Shape (b, 1 + k)."""
        import torch

        if self.score_scale is None:
            if len(teacher) > 1:
                raise ConfigError(_several(len(teacher)))
            return teacher[0].masked_fill(nothing, 0.0)
        low = teacher.masked_fill(nothing, torch.inf).amin(dim=2, keepdim=True)
        high = teacher.masked_fill(nothing, -torch.inf).amax(dim=2, keepdim=True)
        share = (teacher - low) / (high - low + _SMALLEST_SPREAD)
        return self.score_scale * share.masked_fill(nothing, 0.0).mean(dim=0)


def _several(guides: int) -> str:
    return f"needs a score_scale with several teachers, whose scores have no common scale; got {guides}"


@LOSSES.register("margin_mse", paper="Hofstaetter et al. 2020, arXiv:2010.02666")
@dataclass(kw_only=True, config=STRICT)
class MarginMSE(_Distillation):
    """Mean squared error of the distance between positive and mined negative, the student's against the teachers'.

    The student's distance is one of cosines times `scale`. Several teachers are averaged
    after a min-max over each row's candidates, times `score_scale` (arXiv:2411.04403): what
    a teacher says then depends on which candidates stand beside. A query without mined
    negatives has loss 0.
    """

    def __call__(self, batch: Batch) -> "torch.Tensor":
        """Return the loss of each query; a weight counts in the mean. Shape (b,)."""
        cosine, mass, teacher = self._candidates(batch)
        student = self.scale * (cosine[:, :1] - cosine[:, 1:])
        error = student - (teacher[:, :1] - teacher[:, 1:])
        return weighted_mean(error.masked_fill(mass[:, 1:] == 0.0, 0.0).square(), mass[:, 1:])


@LOSSES.register("kl_distillation", paper="Lin et al. 2020, arXiv:2010.11386; several teachers: arXiv:2411.04403")
@dataclass(kw_only=True, config=STRICT)
class KLDistillation(_Distillation):
    """Divergence of the student's softmax over positive and mined negatives from the teachers'.

    Teachers' scores are divided by `teacher_temperature`, several made one as by
    `margin_mse`. `entropy` says whether the target still holds more than its best
    document. sentence-transformers' DistillKLDivLoss is this times the square of the
    student's temperature, which would shrink it 400-fold at scale 20. A query without
    mined negatives has loss 0.
    """

    teacher_temperature: Annotated[float, Interval(ge=0.001, le=1000.0)] = 1.0

    def __call__(self, batch: Batch) -> "torch.Tensor":
        """Return the loss of each query; a weight multiplies the exponential of its document in both. Shape (b,)."""
        cosine, mass, teacher = self._candidates(batch)
        target = _log_softmax(teacher / self.teacher_temperature, mass)
        return (target.exp() * (target - _log_softmax(cosine * self.scale, mass))).sum(dim=1)

    def entropy(self, batch: Batch) -> "torch.Tensor":
        """Return the entropy of each query's target in nats: 0 if one document has all of it. Shape (b,)."""
        _, mass, teacher = self._candidates(batch)
        target = _log_softmax(teacher / self.teacher_temperature, mass)
        return -(target.exp() * target).sum(dim=1)


def _log_softmax(score: "torch.Tensor", mass: "torch.Tensor") -> "torch.Tensor":
    """Return the logarithm of each share; without mass it is the lowest number, as 0 times infinity is none."""
    import torch

    lowest = torch.finfo(score.dtype).min
    return (score + mass.log()).masked_fill(mass == 0.0, lowest).log_softmax(dim=1)
