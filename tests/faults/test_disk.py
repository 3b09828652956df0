"""The disk is full, read-only or broken from some write on: a clear error, nothing torn, and the sweep resumes."""

import errno
from pathlib import Path

import pytest
from failing_disk import failing
from inline import ONE_RUN, carried_out, copied, kept

from harness.errors import StorageError
from harness.reporting.report import write_report
from harness.sums import differing

REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the file system is read-only",
    errno.EIO: "the disk reports an input/output error",
}


@pytest.mark.parametrize(
    "number",
    [errno.ENOSPC, *(pytest.param(number, marks=pytest.mark.fault_sweep) for number in (errno.EROFS, errno.EIO))],
)
def test_a_sweep_whose_every_attempt_meets_a_failing_write_later_ends_as_if_none_had(
    tmp_path, monkeypatch, trained, number
):
    folder = tmp_path / "copy"
    refused = []
    for place in range(1, 200):
        with failing(folder / "results", place, number) as disk:
            try:
                carried_out(folder, monkeypatch, minutes=5, **ONE_RUN)
            except StorageError as error:
                refused.append(str(error))
        if not disk.failed:
            break
        assert len(refused) == place, f"{disk.writes[-1]} failed and nothing was said"

    assert len(refused) > 15
    assert all(REASONS[number] in text for text in refused)
    assert kept(folder) == kept(trained)
    assert not [path for path in (folder / "results/toy/runs").iterdir() if differing(path)]


@pytest.mark.parametrize(
    "place", [1, 2, 20, *(pytest.param(place, marks=pytest.mark.fault_sweep) for place in (3, 5, 8, 12, 16, 25, 30))]
)
def test_a_report_that_cannot_be_written_says_so_and_is_written_later(tmp_path, trained, place):
    folder: Path = copied(trained, tmp_path / "copy")

    with (
        failing(folder / "reports", place, errno.ENOSPC) as disk,
        pytest.raises(StorageError, match="the disk is full"),
    ):
        write_report(folder / "results/toy", folder / "reports")

    assert disk.failed
    assert write_report(folder / "results/toy", folder / "reports").pdf.read_bytes().startswith(b"%PDF")
