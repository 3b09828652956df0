import pytest

from harness.exchange.privacy import secret_in, without_absolute_paths


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/home/me/my data/nfcorpus", "nfcorpus"),
        ("~/nfcorpus", "nfcorpus"),
        ("C:\\Users\\me\\nfcorpus", "nfcorpus"),
        ('File "/home/me/winnow/harness/plan.py", line 3', 'File "plan.py", line 3'),
        ("cannot read (/data/x/y.json): gone", "cannot read (y.json): gone"),
        ("data/nfcorpus", "data/nfcorpus"),
        ("either/or and and/or/both", "either/or and and/or/both"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("1 / 2", "1 / 2"),
        ("/", "/"),
        (0.5, 0.5),
        (None, None),
    ],
)
def test_absolute_paths_give_way_to_their_last_part_and_nothing_else_changes(value, expected):
    assert without_absolute_paths({"key": [value]}) == {"key": [expected]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
        ("token = hf_abcdefghijklmnopqrstu", "an access token"),
        ("ghp_abcdefghijklmnopqrstu", "an access token"),
        ("AKIAABCDEFGHIJKLMNOP", "an access key of AWS"),
        ("https://me:pass@example.org", "a password in an address"),
        ("https://example.org:80/a@b", None),
        ("half_life", None),
    ],
)
def test_what_looks_like_a_credential_is_named_by_its_kind(text, expected):
    assert secret_in(text) == expected
