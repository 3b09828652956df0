"""Progress on standard error."""

from harness.progress import progress_shown


def test_a_log_has_one_line_per_kind_of_step_and_standard_output_none(capsys):
    with progress_shown() as progress:
        for done in (500, 1000):
            progress("encoding [documents]", done, 1000)
        progress("searching", 1, 1)

    printed = capsys.readouterr()
    assert printed.err.splitlines() == ["encoding [documents] (1,000)", "searching (1)"]
    assert printed.out == ""
