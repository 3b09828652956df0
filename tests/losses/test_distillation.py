import math

import pytest
import torch

from harness.errors import ConfigError
from harness.losses.distillation import KLDistillation, MarginMSE
from harness.losses.info_nce import InfoNCE
from tests.losses.batches import batch

STUDENT = torch.tensor([[10.0, 6.0, 5.0]], dtype=torch.float64)
TEACHERS = torch.tensor([[[0.9, 0.7, 0.2]], [[30.0, 12.0, 20.0]]], dtype=torch.float64)


def test_several_teachers_have_their_known_divergence():
    loss = KLDistillation(scale=1.0, score_scale=30.0)(batch(STUDENT, teacher=TEACHERS))

    assert loss.item() == pytest.approx(0.0247448201, abs=1e-9)


def test_several_teachers_have_their_known_margins():
    agreed = (29.9999777, 10.7142704, 6.6666663)
    expected = ((4.0 - (agreed[0] - agreed[1])) ** 2 + (5.0 - (agreed[0] - agreed[2])) ** 2) / 2

    loss = MarginMSE(scale=1.0, score_scale=30.0)(batch(STUDENT, teacher=TEACHERS))

    assert loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", [KLDistillation(score_scale=5.0), MarginMSE(score_scale=5.0)])
def test_the_scale_and_order_of_the_teachers_do_not_matter(loss):
    moved = torch.stack([TEACHERS[1] * 7.0 + 3.0, TEACHERS[0] * 100.0 - 50.0])

    values = [loss(batch(STUDENT, teacher=teacher)) for teacher in (TEACHERS, moved)]

    assert torch.allclose(*values, rtol=1e-5)


def test_the_range_is_that_of_the_candidates_that_take_part():
    wider = torch.tensor([[10.0, 6.0, 5.0, 0.0]], dtype=torch.float64)
    teacher = torch.tensor([[[0.9, 0.7, 0.2, -9.0]]], dtype=torch.float64)
    allowed = torch.tensor([[True, True, True, False]])
    loss = MarginMSE(scale=1.0, score_scale=3.0)

    values = [loss(batch(wider, allowed, teacher=teacher)), loss(batch(STUDENT, teacher=TEACHERS[:1]))]

    assert torch.allclose(*values)


@pytest.mark.parametrize("loss", [KLDistillation(), MarginMSE()])
def test_several_teachers_without_a_common_scale_are_refused(loss):
    with pytest.raises(ConfigError, match="needs a score_scale with several teachers"):
        loss(batch(STUDENT, teacher=TEACHERS))
    assert "got 2" in loss.objection(guides=2, mined=True)
    assert loss.objection(guides=1, mined=True) is None
    assert "needs mined negatives" in loss.objection(guides=1, mined=False)


def test_a_teacher_s_temperature_divides_its_scores():
    soft = KLDistillation(scale=1.0, teacher_temperature=4.0)(batch(STUDENT, teacher=TEACHERS[1:]))
    divided = KLDistillation(scale=1.0)(batch(STUDENT, teacher=TEACHERS[1:] / 4.0))

    assert torch.allclose(soft, divided)


def test_a_teacher_that_agrees_with_the_student_leaves_no_loss():
    given = batch(STUDENT, teacher=STUDENT[None])

    assert KLDistillation(scale=1.0)(given).item() == pytest.approx(0.0, abs=1e-12)
    assert MarginMSE(scale=1.0)(given).item() == 0.0
    assert MarginMSE(scale=2.0)(given).item() == pytest.approx((16.0 + 25.0) / 2)


def test_a_teacher_sure_of_the_positive_teaches_info_nce():
    sure = torch.tensor([[[1.0, 0.0, 0.0]]], dtype=torch.float64)
    similarity = STUDENT / 10.0

    assert torch.allclose(
        KLDistillation(score_scale=1000.0)(batch(similarity, teacher=sure)), InfoNCE()(batch(similarity))
    )


def test_entropy_tells_a_target_that_is_all_one_document():
    entropies = [
        KLDistillation(score_scale=scale).entropy(batch(STUDENT, teacher=TEACHERS)).item() for scale in (30.0, 1.0)
    ]
    flat = KLDistillation().entropy(batch(STUDENT, teacher=torch.ones(1, 1, 3))).item()

    assert entropies[0] == pytest.approx(0.0, abs=1e-6)
    assert 0.9 < entropies[1] < flat
    assert flat == pytest.approx(math.log(3.0))


def test_a_weight_multiplies_a_candidate_s_share_in_target_and_student():
    weight = torch.tensor([[1.0, 0.5, 1.0]], dtype=torch.float64)
    target, student = ((score.exp() * weight) / (score.exp() * weight).sum() for score in (TEACHERS[0], STUDENT))
    expected = (target * (target / student).log()).sum()

    loss = KLDistillation(scale=1.0)(batch(STUDENT, teacher=TEACHERS[:1], weight=weight))

    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)


def test_distillation_without_a_teacher_says_so():
    with pytest.raises(ConfigError, match="the loss needs teachers' scores, and the batch has none"):
        MarginMSE()(batch(STUDENT))
