"""What a search judges its points by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_folders import Bench, sweep

from harness.errors import StorageError
from harness.plan import expand
from harness.record import RunRecord, record_of
from harness.search.objectives import dev_metric, mean_minimised, on_front, texts_embedded


@pytest.fixture
def record(tmp_path) -> RunRecord:
    spec = sweep()
    runs = expand(spec.arms, spec)
    Bench(tmp_path)._carry_out(runs)
    found = record_of(tmp_path, runs[0][0])
    assert found is not None
    return found


def test_cost_counts_queries_positives_and_negatives(record):
    assert texts_embedded(record) == 10 * 8 * (2 + 200 / 100)
    assert texts_embedded(record.model_copy(update={"audit": None})) == 10 * 8 * 2
    assert texts_embedded(record.model_copy(update={"steps": 0})) == 0


def test_cost_does_not_depend_on_the_clock(record):
    later = record.model_copy(update={"timings": {"train": 9999.0}})

    assert texts_embedded(later) == texts_embedded(record)


def test_what_is_minimised_is_a_mean_over_runs(record):
    assert record.audit is not None
    other = record.model_copy(update={"audit": record.audit.model_copy(update={"contamination": 0.2}), "steps": 20})

    assert mean_minimised([record, other], "contamination") == pytest.approx((0.4 + 0.2) / 2)
    assert mean_minimised([record, other], "cost") == 15 * 8 * 4


def test_a_run_without_an_audit_has_no_contamination(record):
    with pytest.raises(StorageError, match="has no audit"):
        mean_minimised([record.model_copy(update={"audit": None})], "contamination")


def test_a_metric_that_was_not_kept_is_missed(record):
    assert dev_metric(record, "ndcg_at_10") == pytest.approx(0.8, abs=0.01)
    with pytest.raises(StorageError, match="recorded before map_at_100 was kept"):
        dev_metric(record, "map_at_100")


def test_the_front_is_high_in_the_first_and_low_in_the_second():
    points = [(0.5, 0.1), (0.6, 0.2), (0.55, 0.2), (0.4, 0.1), (0.6, 0.3), (0.6, 0.2)]

    assert on_front(points) == [True, True, False, False, False, True]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_whoever_is_off_the_front_is_dominated_by_one_on_it(points):
    front = on_front(points)

    best = max(points, key=lambda point: (point[0], -point[1]))
    assert front[points.index(best)]
    for point, on in zip(points, front, strict=True):
        above = [other for other, up in zip(points, front, strict=True) if up and other != point]
        assert on != any(other[0] >= point[0] and other[1] <= point[1] for other in above)
