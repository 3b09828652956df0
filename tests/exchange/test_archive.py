import stat
import zipfile
from pathlib import Path

import pytest

from harness.errors import DataError, StorageError
from harness.exchange.archive import Limits, pack, unpack


def _forged(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries:
            archive.writestr(name, content, method)
    return path


def _refused(path: Path, folder: Path, limits: Limits = Limits()) -> str:  # noqa: B008  # frozen
    target = folder / "into"
    target.mkdir()
    with pytest.raises(DataError) as error:
        unpack(path, target, limits)
    assert list(target.iterdir()) == []
    assert {entry.name for entry in folder.iterdir()} == {"into", path.name}
    return str(error.value)


def test_a_folder_comes_back_as_it_was_and_the_same_folder_gives_the_same_bytes(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x.json").write_bytes(b"{}")
    (tmp_path / "a" / "y.txt").write_bytes(b"why")

    pack(tmp_path / "a", tmp_path / "one.zip")
    (tmp_path / "a" / "y.txt").touch()
    pack(tmp_path / "a", tmp_path / "two.zip")
    (tmp_path / "into").mkdir()
    names = unpack(tmp_path / "one.zip", tmp_path / "into")

    assert names == ["b/x.json", "y.txt"]
    assert (tmp_path / "into" / "b" / "x.json").read_bytes() == b"{}"
    assert (tmp_path / "into" / "y.txt").read_bytes() == b"why"
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert stat.S_IMODE((tmp_path / "one.zip").stat().st_mode) == 0o644


def test_an_archive_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match="cannot write"):
        pack(tmp_path, tmp_path / "file" / "x.zip")


@pytest.mark.parametrize(
    "name",
    [
        "../out",
        "a/../../out",
        "/etc/out",
        "C:/out",
        "C:out",
        "a\\..\\out",
        "a//b",
        "a/",
        ".hidden",
        "",
        "a\x00b",
        "a b",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused_before_anything_is_written(tmp_path, name):
    entry = zipfile.ZipInfo("placeholder")
    entry.filename = name
    path = _forged(tmp_path / "x.zip", ("fine", b"1"), (entry, b"2"))

    said = _refused(path, tmp_path)

    assert "has a name that a bundle does not use" in said


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR])
def test_a_link_or_anything_but_a_file_is_refused(tmp_path, kind):
    entry = zipfile.ZipInfo("link")
    entry.external_attr = (kind | 0o777) << 16

    assert "'link' is no plain file" in _refused(_forged(tmp_path / "x.zip", (entry, b"/etc/passwd")), tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["a", "A"])
def test_a_name_that_comes_twice_is_refused(tmp_path, second):
    said = _refused(_forged(tmp_path / "x.zip", ("a", b"1"), (second, b"2")), tmp_path)

    assert "more than once" in said


def test_a_file_where_another_needs_a_folder_is_refused(tmp_path):
    path = _forged(tmp_path / "x.zip", ("a", b"1"), ("a/b", b"2"))
    (tmp_path / "into").mkdir()

    with pytest.raises(DataError, match="cannot be read"):
        unpack(path, tmp_path / "into")


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(files=1), "holds 2 files, more than 1"),
        (Limits(file=9), "unpacks to 10 bytes, more than 9"),
        (Limits(total=19), "unpacks to 20 bytes, more than 19"),
    ],
)
def test_too_many_or_too_large_files_are_refused_at_the_limit_and_not_below(tmp_path, limits, said):
    path = _forged(tmp_path / "x.zip", ("a", b"0123456789"), ("b", b"0123456789"))

    assert said in _refused(path, tmp_path, limits)
    assert unpack(path, tmp_path / "into", Limits(files=2, file=10, total=20)) == ["a", "b"]


def test_a_file_that_was_compressed_too_far_is_refused_unless_it_is_small(tmp_path):
    path = _forged(tmp_path / "x.zip", ("zeros", bytes(100_000)))

    assert "more than 50 times its size" in _refused(path, tmp_path, Limits(ratio=50, small=99_999))
    assert unpack(path, tmp_path / "into", Limits(ratio=50, small=100_000)) == ["zeros"]


def test_an_unusual_compression_is_refused(tmp_path):
    path = _forged(tmp_path / "x.zip", ("a", b"1"), method=zipfile.ZIP_LZMA)

    assert "compressed in a way" in _refused(path, tmp_path)


def test_an_entry_that_claims_to_be_encrypted_is_refused(tmp_path):
    path = _forged(tmp_path / "x.zip", ("a", b"1"))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)

    assert "is encrypted" in _refused(path, tmp_path)


def test_a_file_that_holds_more_than_it_claims_is_refused(tmp_path):
    path = _forged(tmp_path / "x.zip", ("a", b"0123456789"), method=zipfile.ZIP_STORED)
    content = path.read_bytes()
    forged = content.replace((10).to_bytes(4, "little") * 2, (10).to_bytes(4, "little") + (3).to_bytes(4, "little"))
    path.write_bytes(forged)
    (tmp_path / "into").mkdir()

    with pytest.raises(DataError, match="cannot be read"):
        unpack(path, tmp_path / "into")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06"])
def test_what_is_no_zip_file_is_refused(tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    (tmp_path / "into").mkdir()

    with pytest.raises(DataError, match="cannot be read as a zip file"):
        unpack(tmp_path / "x.zip", tmp_path / "into")


def test_a_damaged_byte_is_found(tmp_path):
    path = _forged(tmp_path / "x.zip", ("a", b"0123456789"), method=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"0123456789", b"0123456780"))
    (tmp_path / "into").mkdir()

    with pytest.raises(DataError, match="CRC"):
        unpack(path, tmp_path / "into")
