import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StorageError
from harness.training.checkpoints import Checkpoints
from harness.training.snapshot import join, part

PLAIN = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
STATES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text(), inner)
        | st.dictionaries(st.integers(), inner)
    ),
    max_leaves=8,
)


def state(step):
    return {"step": step, "weights": torch.full((3,), float(step)), 7: (1, [None, "a"])}


def written(folder, *steps):
    checkpoints = Checkpoints(folder / "checkpoints", maker="a-1")
    for step in steps:
        checkpoints.write(step, state(step), f'{{"global_step": {step}}}')
    return checkpoints


@given(STATES)
def test_a_state_survives_being_parted_and_written_as_json(given_state):
    plain, tensors = part(given_state)

    joined = join(json.loads(json.dumps(plain)), tensors)

    assert joined == given_state
    assert repr(joined) == repr(given_state)  # 1 is not True, nor 0.0 -0.0


def test_tensors_and_arrays_keep_their_type_and_are_copies():
    weights = torch.arange(4, dtype=torch.bfloat16).reshape(2, 2).T
    indices = np.array([[1, -1]], dtype=np.int32)
    plain, tensors = part({"weights": weights, "indices": indices})
    weights += 1
    indices += 1

    joined = join(plain, tensors)

    assert joined["weights"].dtype == torch.bfloat16
    assert joined["weights"].tolist() == [[0, 2], [1, 3]]
    assert joined["indices"].dtype == np.int32
    assert joined["indices"].tolist() == [[1, -1]]


def test_what_json_cannot_hold_is_refused():
    for value in (object(), float("nan"), {1, 2}):
        with pytest.raises(StorageError, match="cannot hold"):
            part({"value": value})
    with pytest.raises(StorageError, match="unknown kind"):
        join({"pickle": "000000"}, {})


def test_a_checkpoint_is_read_as_it_was_written(tmp_path):
    checkpoints = written(tmp_path, 3)

    found = checkpoints.read(checkpoints.newest())

    assert found["weights"].tolist() == [3.0, 3.0, 3.0]
    assert found[7] == (1, [None, "a"])


def test_the_newest_two_are_kept_by_number_not_by_spelling(tmp_path):
    checkpoints = written(tmp_path, 9, 10, 100)

    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["step-000000010", "step-000000100"]
    assert checkpoints.newest().name == "step-000000100"


def truncate(folder):
    file = folder / "state.safetensors"
    file.write_bytes(file.read_bytes()[:-5])


def flip(folder):
    content = bytearray((folder / "state.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "state.safetensors").write_bytes(content)


def foreign_pickle(folder):
    (folder / "optimizer.pt").write_bytes(pickle.dumps({}))


def listed_pickle(folder):
    foreign_pickle(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["optimizer.pt"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))


def empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()


DAMAGES = [
    truncate,
    flip,
    empty,
    foreign_pickle,
    listed_pickle,
    lambda folder: (folder / "manifest.json").unlink(),
    lambda folder: (folder / "manifest.json").write_text('{"maker": "a-1", "fi'),
    lambda folder: (folder / "manifest.json").write_text("[]"),
    lambda folder: (folder / "manifest.json").write_text('{"maker": "a-1", "files": {}}'),
    lambda folder: (folder / "trainer_state.json").unlink(),
    lambda folder: (folder / "trainer_state.json").write_text("{}"),
    lambda folder: (folder / "state.json").write_text(""),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_checkpoint_is_set_aside_and_the_one_before_taken(tmp_path, damage, caplog):
    checkpoints = written(tmp_path, 1, 2)
    damage(checkpoints.folder / "step-000000002")

    newest = checkpoints.newest()

    assert newest.name == "step-000000001"
    assert checkpoints.read(newest)["step"] == 1
    assert "step-000000002 is not used" in caplog.text
    assert [path.name[:24] for path in checkpoints.folder.glob("set-aside-*")] == ["set-aside-step-000000002"]


def test_a_checkpoint_of_other_versions_is_not_continued(tmp_path, caplog):
    checkpoints = replace(written(tmp_path, 1), maker="a-2")

    assert checkpoints.newest() is None
    assert "it was written by a-1, this is a-2" in caplog.text


def test_a_step_that_is_reached_again_is_written_anew(tmp_path):
    checkpoints = written(tmp_path, 1, 2)
    checkpoints.write(2, state(5), "{}")

    assert checkpoints.read(checkpoints.newest())["step"] == 5


def test_a_write_that_fails_leaves_the_one_before_and_no_draft(tmp_path, monkeypatch):
    checkpoints = written(tmp_path, 1)
    monkeypatch.setattr("pathlib.Path.rename", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))

    with pytest.raises(StorageError, match="the disk is full"):
        checkpoints.write(2, state(2), "{}")

    assert [path.name for path in checkpoints.folder.iterdir()] == ["step-000000001"]


def test_nothing_is_left_once_checkpoints_are_discarded(tmp_path):
    checkpoints = written(tmp_path, 1, 2)

    checkpoints.discard()
    checkpoints.discard()

    assert not checkpoints.folder.exists()
    assert checkpoints.newest() is None
