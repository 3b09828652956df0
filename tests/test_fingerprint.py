import pytest

from harness.fingerprint import canonical, digest, folder_digest, text_digest


def test_the_order_of_keys_does_not_count():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})


def test_values_and_their_order_count():
    assert len({digest([1, 2]), digest([2, 1]), digest(["1", "2"]), digest([1.0, 2.5])}) == 4


def test_nan_has_no_fingerprint():
    with pytest.raises(ValueError, match="Out of range"):
        canonical(float("nan"))


def test_what_cannot_be_written_as_json_is_refused():
    with pytest.raises(TypeError, match="cannot fingerprint a set"):
        canonical({1})


def test_boundaries_between_texts_count():
    assert text_digest(["ab", "c"]) != text_digest(["a", "bc"])


def test_a_folder_is_known_by_names_and_contents(tmp_path):
    (tmp_path / "a").write_text("1")
    before = folder_digest(tmp_path)
    (tmp_path / "b").write_text("2")
    with_more = folder_digest(tmp_path)
    (tmp_path / "b").rename(tmp_path / "c")

    assert len({before, with_more, folder_digest(tmp_path)}) == 3
