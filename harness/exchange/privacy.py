"""Keep what belongs to one machine or person out of what is passed on: absolute paths and credentials."""

import re
from pathlib import PureWindowsPath

from pydantic import JsonValue

__all__ = ["secret_in", "without_absolute_paths"]

_WHOLE = re.compile(r"(?:~?/|[A-Za-z]:[\\/])[^\n]*")
_INSIDE = re.compile(
    r"""(?<![\w.:/\\<~-])(?:~?/(?:[\w.@+-]+/)+[\w.@+-]+|[A-Za-z]:[\\/](?:[^\s\\/"':]+[\\/])*[^\s\\/"':]+)"""
)

_SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an access token": re.compile(r"\b(?:hf_|gh[pousr]_|github_pat_|glpat-|xox[abp]-|sk-|pypi-)[A-Za-z0-9_-]{20,}"),
    "an access key of AWS": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a password in an address": re.compile(r"://[^/\s:@]+:[^/\s:@]+@"),
}


def without_absolute_paths(value: JsonValue) -> JsonValue:
    """Return JSON in which every absolute path, also within a text, has given way to its last part."""
    if isinstance(value, dict):
        return {key: without_absolute_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_absolute_paths(item) for item in value]
    if not isinstance(value, str):
        return value
    if _WHOLE.fullmatch(value) and len(value) > 1:
        return _last_part(value)
    return _INSIDE.sub(lambda found: _last_part(found.group()), value)


def _last_part(path: str) -> str:
    return PureWindowsPath(path).name or "folder"  # it takes both separators


def secret_in(text: str) -> str | None:
    """Say what kind of credential a text seems to hold, never which; None if none is seen."""
    return next((what for what, pattern in _SECRETS.items() if pattern.search(text)), None)
