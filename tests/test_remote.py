"""A place on object storage: files by name, bounded tries, no secrets."""

import pickle

import pytest
from shaky_storage import ShakyStorage, fresh

from harness.errors import ConfigError, StorageError
from harness.remote import storage as module
from harness.remote.storage import Remote, RemoteError


@pytest.fixture
def place(monkeypatch):
    return fresh(monkeypatch)


@pytest.fixture(params=["file", "memory"])
def any_place(request, tmp_path):
    return Remote(f"file://{tmp_path}/far" if request.param == "file" else f"memory://{tmp_path.name}")


def test_what_was_written_is_read_listed_and_deleted(any_place, tmp_path):
    (tmp_path / "here").write_bytes(b"two")

    any_place.write("a/b/one", b"one")
    any_place.put(tmp_path / "here", "a/two")
    got = any_place.get("a/two", tmp_path / "back")
    listed = any_place.names("a")
    any_place.delete("a/two")

    assert (any_place.read("a/b/one"), got, (tmp_path / "back").read_bytes()) == (b"one", True, b"two")
    assert listed == ["b/one", "two"]
    assert any_place.names("a") == ["b/one"]


def test_what_is_not_there_is_none_and_no_error(any_place, tmp_path):
    any_place.delete("a/two")

    assert (any_place.read("a"), any_place.get("a/b", tmp_path / "x"), any_place.names("a")) == (None, False, [])


def test_a_file_takes_the_place_of_another(any_place):
    any_place.write("a", b"long content")
    any_place.write("a", b"short")

    assert any_place.read("a") == b"short"


def test_a_write_to_a_file_system_that_is_cut_off_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    from fsspec.implementations.local import LocalFileSystem

    far = Remote(f"file://{tmp_path}")
    far.write("plan", b"whole")
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.0)

    def half(self, path, value, **options):
        with self.open(path, "wb") as file:
            file.write(value[:1])
        raise OSError(5, "torn")

    monkeypatch.setattr(LocalFileSystem, "pipe_file", half)
    with pytest.raises(RemoteError, match="torn"):
        far.write("plan", b"other")

    far.try_again()
    assert far.read("plan") == b"whole"


@pytest.mark.parametrize("name", ["../a", "a/../b", "/a", "a//b", "", ".hidden", "a\\b", "a/\0"])
def test_a_name_that_leads_out_of_its_folder_is_refused_before_anything_is_asked(place, name):
    with pytest.raises(StorageError, match="cannot name"):
        place.read(name)

    assert ShakyStorage.calls == []


def test_strange_names_in_a_listing_are_left_out(place):
    for name in ("a/ok", "a/.part", "a/b\\c"):
        ShakyStorage().pipe_file(f"/bucket/team/{name}", b"")

    assert place.names("a") == ["ok"]


@pytest.mark.parametrize(("failures", "tries"), [(0, 1), (1, 2), (2, 3)])
def test_a_call_that_fails_is_tried_three_times_at_most(place, failures, tries):
    def refuse(operation, path):
        if len(ShakyStorage.calls) <= failures:
            raise OSError("reset")

    ShakyStorage.set_refusal(refuse)
    place.write("a", b"1")

    assert (ShakyStorage.content("a"), len(ShakyStorage.calls)) == (b"1", tries)


@pytest.mark.parametrize(
    ("error", "tries"), [(OSError("reset"), 3), (ValueError("odd"), 3), (PermissionError("403"), 1)]
)
def test_what_fails_for_good_is_an_error_that_names_place_and_reason(place, error, tries):
    def refuse(operation, path):
        raise error

    ShakyStorage.set_refusal(refuse)

    with pytest.raises(RemoteError, match=rf"cannot read shaky://bucket/team/a: {type(error).__name__}: {error}"):
        place.read("a")

    assert len(ShakyStorage.calls) == tries


def test_a_place_out_of_reach_is_left_alone_for_a_while_and_warned_of_once(place, monkeypatch, caplog):
    def refuse(operation, path):
        raise OSError("down")

    ShakyStorage.set_refusal(refuse)
    monkeypatch.setattr(module, "_REST_SECONDS", 60.0)
    for _ in range(3):
        with pytest.raises(RemoteError):
            place.read("a")
    left_alone = len(ShakyStorage.calls)
    place.try_again()
    ShakyStorage.set_refusal()

    assert (left_alone, place.read("a")) == (3, None)
    assert caplog.text.count("going on with what is here") == 1


def test_a_second_outage_is_warned_of_again(place, caplog):
    def refuse(operation, path):
        raise OSError("down")

    for _ in range(2):
        ShakyStorage.set_refusal(refuse)
        for _ in range(2):
            with pytest.raises(RemoteError):
                place.read("a")
        ShakyStorage.set_refusal()
        place.read("a")

    assert caplog.text.count("going on with what is here") == 2


def test_no_credentials_are_told(monkeypatch, caplog):
    fresh(monkeypatch)
    place = Remote("shaky://user:hunter2@bucket/team?secret=swordfish")

    def refuse(operation, path):
        raise OSError(f"no {place.url} with aws_secret_access_key=swordfish")

    ShakyStorage.set_refusal(refuse)
    with pytest.raises(RemoteError) as caught:
        place.read("a")

    told = f"{caught.value} {caught.value.__cause__} {place!r} {caplog.text}"
    assert "hunter2" not in told
    assert "swordfish" not in told
    assert place.name == "shaky://bucket/team"


@pytest.mark.parametrize("url", ["results", "/tmp/x", "://x", "simplecache::s3://user:hunter2@x", "nowhere://x"])  # noqa: S108
def test_a_url_that_cannot_be_used_is_a_mistake_in_the_argument(url):
    with pytest.raises(ConfigError, match="--remote") as caught:
        Remote(url)

    assert "hunter2" not in str(caught.value)


def test_a_driver_that_is_not_installed_is_named(monkeypatch):
    import fsspec

    def missing(scheme):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)

    with pytest.raises(ConfigError, match="--remote s3://bucket: Install s3fs"):
        Remote("s3://bucket")


def test_a_place_can_be_pickled(place):
    assert pickle.loads(pickle.dumps(place)) == place  # noqa: S301
