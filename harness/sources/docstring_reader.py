"""Docstrings of installed packages, read from their source files without importing them."""

import ast
import importlib.util
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError

__all__ = ["WORD", "Docstring", "package_folder", "read_package"]

WORD = re.compile(r"\w+")
"""A token, wherever texts are counted or compared."""

_SUMMARY_WORDS = range(4, 41)
_LEAST_BODY_WORDS = 20

_SKIPPED_FOLDERS = {"_tests", "test", "testing", "tests"}
_PARAGRAPH_BREAK = re.compile(r"\n(?:[ \t]*\n)+")
# A first paragraph that is a call signature, a doctest or an underlined section is no summary.
_NO_SUMMARY = re.compile(r"[\w.]+\(|>>>|\S.*\s(?:-{3,}|={3,}|~{3,})")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Docstring:
    """One docstring: `place` is the dotted path of what it documents, `name` its last part."""

    place: str
    name: str
    summary: str
    body: str


def package_folder(package: str) -> Path:
    """Find the folder of an installed package without importing it; raise DataError if there is none."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        message = f"the package '{package}' is not installed; the source 'docstrings' reads its docstrings"
        raise DataError(message)
    return Path(spec.origin).parent


def read_package(folder: Path) -> Iterator[Docstring]:
    """Yield the usable docstrings of all functions, methods and classes, in the order of sorted paths.

    Usable: a first paragraph of 4 to 40 words that reads as a summary, and a rest of at
    least 20 words. Test folders and files that this Python cannot parse are skipped.
    """
    for file in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix()):
        relative = file.relative_to(folder)
        if _SKIPPED_FOLDERS.isdisjoint(relative.parts[:-1]) and not relative.name.startswith(("test_", "conftest")):
            module = ".".join([folder.name, *relative.with_suffix("").parts]).removesuffix(".__init__")
            yield from _read_file(file, module)


def _read_file(file: Path, module: str) -> Iterator[Docstring]:
    try:
        with warnings.catch_warnings():
            # what a package's source warns of, such as an invalid escape, is not ours to report
            warnings.simplefilter("ignore")
            tree = ast.parse(file.read_bytes())
    except SyntaxError:
        return
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise DataError(message) from error
    for place, definition in _definitions(tree, module):
        text = ast.get_docstring(definition)
        if text is not None:
            summary, body = split_docstring(text)
            if _usable(summary, body):
                yield Docstring(place, definition.name, summary, body)


def _definitions(parent: ast.AST, place: str) -> Iterator[tuple[str, Definition]]:
    """Yield every function and class at any depth, in source order; expressions hold none and are not entered."""
    for block in ("body", "handlers", "orelse", "finalbody", "cases"):
        statements = getattr(parent, block, [])
        for child in statements if isinstance(statements, list) else []:
            if isinstance(child, Definition):
                inside = f"{place}.{child.name}"
                yield inside, child
                yield from _definitions(child, inside)
            else:
                yield from _definitions(child, place)


def split_docstring(text: str) -> tuple[str, str]:
    """Split a dedented docstring into its first paragraph, on one line, and the rest."""
    head, *rest = _PARAGRAPH_BREAK.split(text.strip("\n"), maxsplit=1)
    body = _PARAGRAPH_BREAK.sub("\n\n", rest[0] if rest else "")
    return " ".join(head.split()), "\n".join(line.rstrip() for line in body.split("\n")).strip("\n")


def _usable(summary: str, body: str) -> bool:
    return (
        len(WORD.findall(summary)) in _SUMMARY_WORDS
        and not _NO_SUMMARY.match(summary)
        and len(WORD.findall(body)) >= _LEAST_BODY_WORDS
    )
