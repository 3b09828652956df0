from pathlib import Path

import pytest

from harness.errors import DataError
from harness.sources.docstring_reader import Docstring, package_folder, read_package, split_docstring

BODY = "Parameters\n----------\n" + " ".join(f"word{number}" for number in range(20))


def function(name: str, summary: str = "Compute the sum of all values.", body: str = BODY) -> str:
    lines = f"{summary}\n\n{body}".split("\n")
    return f'def {name}():\n    r"""' + "\n    ".join(lines) + '\n    """\n'


def read(folder: Path, **files: str) -> list[Docstring]:
    for name, source in files.items():
        path = folder / "pkg" / f"{name.replace('__', '/', 1) if not name.startswith('_') else name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return list(read_package(folder / "pkg"))


def test_functions_methods_and_classes_at_any_depth_are_read_in_order(tmp_path: Path) -> None:
    method = function("inner").replace("\n", "\n    ")
    source = f"try:\n    {function('first').replace(chr(10), chr(10) + '    ')}\nexcept E:\n    pass\n"
    source += f"class Box:\n    {method}\n{function('last')}"

    places = [each.place for each in read(tmp_path, module=source, _sub=function("private"))]

    assert places == ["pkg._sub.private", "pkg.module.first", "pkg.module.Box.inner", "pkg.module.last"]


def test_the_module_of_an_init_file_is_its_package(tmp_path: Path) -> None:
    assert [each.place for each in read(tmp_path, __init__=function("start"))] == ["pkg.start"]


def test_a_docstring_is_a_summary_on_one_line_and_a_dedented_rest(tmp_path: Path) -> None:
    found = read(tmp_path, module=function("total", "Compute the sum\nof   all values.", f"{BODY}  \n\n\n    code"))

    assert [("total", "Compute the sum of all values.", f"{BODY}\n\n    code")] == [
        (each.name, each.summary, each.body) for each in found
    ]


@pytest.mark.parametrize(
    ("summary", "body"),
    [
        ("Compute the sum.", BODY),  # three words
        (" ".join(["word"] * 41), BODY),
        ("Compute the sum of values.", "too short to be a passage"),
        ("a.dot(b, out=None, strict=True)", BODY),
        (">>> Compute the sum of values", BODY),
        ("Parameters\n----------\naxis : an integer or None", BODY),
    ],
)
def test_what_is_no_summary_with_a_body_is_left_out(tmp_path: Path, summary: str, body: str) -> None:
    assert read(tmp_path, module=function("f", summary, body)) == []


def test_tests_and_files_of_another_syntax_are_skipped_and_warnings_are_kept_quiet(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        tests__module=function("a"),
        test_module=function("b"),
        broken="def (:\n",
        escape='"\\d"\n' + function("kept"),
    )

    assert [each.name for each in found] == ["kept"]


def test_blank_lines_that_hold_spaces_end_a_paragraph() -> None:
    assert split_docstring("One\ntwo\n  \n\nthree\n \t\nfour\n") == ("One two", "three\n\nfour")


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(DataError, match="no_such_package"):
        package_folder("no_such_package")
