import os
import threading
import time

import pytest

from harness.errors import StorageError
from harness.leases import LeaseLostError, Watch, beat_of, take


def test_a_token_rises_with_each_taking(tmp_path):
    leases = [take(tmp_path, "a"), take(tmp_path, "a"), take(tmp_path, "b")]

    assert [lease.token for lease in leases] == [1, 2, 1]
    assert all(f":{os.getpid()}:" in lease.owner for lease in leases)
    assert leases[0].owner != leases[1].owner


def test_the_holder_passes_its_fence_and_who_lost_the_lease_does_not(tmp_path):
    early = take(tmp_path, "a")
    passed = []
    with early.fence():
        passed.append("early")
    late = take(tmp_path, "a")

    with pytest.raises(LeaseLostError, match=r"token 1 is lost: .* with token 2 has the run"), early.fence():
        passed.append("too late")
    with late.fence():
        passed.append("late")

    assert passed == ["early", "late"]


def test_nobody_takes_a_run_while_its_holder_is_inside_the_fence(tmp_path):
    holder, taken = take(tmp_path, "a"), []
    other = threading.Thread(target=lambda: taken.append(take(tmp_path, "a")))

    with holder.fence():
        other.start()
        other.join(0.3)
        assert not taken
    other.join(10)

    assert taken[0].token == 2


def test_a_released_lease_is_gone_and_its_late_holder_is_refused(tmp_path):
    first = take(tmp_path, "a")
    second = take(tmp_path, "a")

    first.release()
    assert beat_of(tmp_path, "a") == (2, 0)
    second.release()

    assert beat_of(tmp_path, "a") is None
    again = take(tmp_path, "a")
    with pytest.raises(LeaseLostError, match="token 2 is lost"), second.fence():
        pass
    assert again.token == 1
    with pytest.raises(LeaseLostError), first.fence():  # the same token, another owner
        pass


def test_a_lease_beats_while_it_is_held_and_no_longer(tmp_path):
    lease = take(tmp_path, "a")

    with lease.beating(every=0.01):
        deadline = time.monotonic() + 10
        while beat_of(tmp_path, "a") < (1, 3) and time.monotonic() < deadline:
            time.sleep(0.01)
    after = beat_of(tmp_path, "a")
    time.sleep(0.05)

    assert after >= (1, 3)
    assert beat_of(tmp_path, "a") == after


def test_the_beat_of_a_lost_lease_does_not_touch_the_new_one(tmp_path):
    lease = take(tmp_path, "a")

    with lease.beating(every=0.01):
        take(tmp_path, "a")
        time.sleep(0.1)

        assert beat_of(tmp_path, "a") == (2, 0)


def test_a_damaged_lease_is_told(tmp_path):
    take(tmp_path, "a")
    (tmp_path / "a.json").write_text("{")

    with pytest.raises(StorageError, match=r"a\.json is no lease"):
        take(tmp_path, "a")


def test_a_watch_counts_from_the_last_change_by_its_own_clock():
    now = iter([100.0, 107.0, 108.0, 108.0, 115.0])
    watch = Watch(lambda: next(now))

    assert watch.silent(None) == 7.0
    assert watch.silent((1, 0)) == 0.0
    assert watch.silent((1, 0)) == 7.0
