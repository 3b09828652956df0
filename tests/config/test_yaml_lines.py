"""Reading YAML with positions."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.config.yaml_lines import Place, read_yaml
from harness.errors import ConfigError

Write = Callable[[str], Path]


def mistakes(path: Path) -> list[str]:
    return [f"{place.line}: {mistake}" for place, mistake in read_yaml(path).mistakes]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("1e-5", 1e-5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-0.5E+3", -500.0),
        ("7", 7),
        ("-7", -7),
        ("0", 0),
        ("2026-01-31", "2026-01-31"),
        ("1:30", "1:30"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("nan", "nan"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
    ],
)
def test_scalars_follow_yaml_1_2(write: Write, text: str, expected: object) -> None:
    value = read_yaml(write(f"key: {text}\n")).value["key"]

    assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize("text", ["010", "089", "1_000", "0x1F", "0o17", "0b11", "-012", "00.5"])
def test_numbers_that_yaml_versions_disagree_on_are_mistakes(write: Write, text: str) -> None:
    expected = f"2: b must be a plain decimal number or text in quotes: versions of YAML disagree on {text}"

    assert mistakes(write(f"a: 1\nb: {text}\n")) == [expected]
    assert mistakes(write(f"a: 1\nb: '{text}'\n")) == []


def test_every_key_and_item_has_its_place(write: Write) -> None:
    file = read_yaml(write("a: 1\nb:\n  - {c: 2, d: 3}\n  - 4\n"))

    assert file.place(("b", 0, "d")) == Place(3, 12)
    assert file.place(("b", 1)) == Place(4, 5)
    assert file.place(("b", 1, "not there", 7)) == Place(4, 5)


def test_duplicate_keys_are_named_with_both_lines(write: Write) -> None:
    path = write("a: 1\nb: {c: 1, c: 2}\na: 2\na: 3\n")

    assert mistakes(path) == [
        "2: b.c appears twice, first on line 2",
        "3: a appears twice, first on line 1",
        "4: a appears twice, first on line 1",
    ]


def test_a_lone_surrogate_is_a_mistake(write: Write) -> None:
    assert mistakes(write('a: "\\ud800"\n')) == [r"1: a must be text of whole characters, got '\ud800'"]


def test_keys_that_are_lists_are_mistakes(write: Write) -> None:
    assert mistakes(write("a:\n  ? [1, 2]\n  : 3\n")) == ["2: a must have text as keys, not lists or mappings"]


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x\r\n")

    file = read_yaml(path)

    assert file.value == {"name": "x"}
    assert file.place(("name",)) == Place(1, 1)


def test_aliases_repeat_what_is_anchored_at_its_own_line(write: Write) -> None:
    file = read_yaml(write("a: &one {x: 1}\nb: *one\n"))

    assert file.value == {"a": {"x": 1}, "b": {"x": 1}}
    assert file.place(("b", "x")).line == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ":1: is empty"),
        ("# nothing\n", ":1: is empty"),
        ("\n- a\n- b\n", ":2: must be a mapping of keys such as name, datasets and arms, got a list"),
        ("only text\n", ":1: must be a mapping of keys such as name, datasets and arms, got 'only text'"),
        ("a: 1\nb: [1, 2\nc: 3\n", ":3: not YAML: while parsing a flow sequence"),
        ("a:\n\tb: 1\n", ":2: not YAML: while scanning for the next token, a tab; indent with spaces"),
        ("a: 1\n---\nb: 2\n", ":2: not YAML: expected a single document"),
        ("a: 1\nb: *nothing\n", ":2: not YAML: found undefined alias 'nothing'"),
        ("a: 1\nb: !!python/object/apply:os.system [x]\n", ":2: not YAML: the tag tag:yaml.org,2002:python/object"),
        ("a: !mine 3\n", ":1: not YAML: the tag !mine is not supported"),
        ("a: 1\nb: \x07\n", r":2: not YAML: the character '\x07'"),
        ("a: &x [*x, *x]\n", ":1: anchors and aliases make it deeper than 20 levels"),
        ("a: " + "[" * 3000 + "]" * 3000, ":1: not YAML: nested deeper than 20 levels"),
        ("a: " + "{b: " * 3000 + "1" + "}" * 3000, ":1: not YAML: nested deeper than 20 levels"),
    ],
)
def test_what_cannot_be_read_gives_one_line(write: Write, text: str, expected: str) -> None:
    path = write(text)

    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}{expected}")
    assert "\n" not in str(caught.value)


def test_a_billion_laughs_end_early(write: Write) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]

    with pytest.raises(ConfigError, match="more than 20000 values"):
        read_yaml(write("\n".join(lines)))


def test_bytes_that_are_not_utf_8_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"name: x\nquestion: caf\xe9?\n")

    with pytest.raises(ConfigError, match=r"latin.yaml:2: must be UTF-8, got the byte 0xe9"):
        read_yaml(path)


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").touch()

    with pytest.raises(ConfigError, match=r"quickstrat.yaml: no such file; did you mean .*quickstart.yaml\?"):
        read_yaml(tmp_path / "quickstrat.yaml")
    with pytest.raises(ConfigError, match=r"zzz: no such file$"):
        read_yaml(tmp_path / "zzz")


def test_a_directory_is_no_sweep_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory; name one sweep file"):
        read_yaml(tmp_path)


def test_a_file_in_place_of_a_directory_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match="cannot be read: Not a directory"):
        read_yaml(tmp_path / "file" / "sweep.yaml")


def test_a_file_that_is_too_large_is_not_parsed(write: Write) -> None:
    with pytest.raises(ConfigError, match="must be at most 256 KiB"):
        read_yaml(write("a: " + "x" * (1 << 18)))
