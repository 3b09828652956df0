"""Takes secrets out of what leaves the results folder."""

import re

from pydantic import JsonValue

__all__ = ["REDACTED", "redacted", "redacted_text"]

REDACTED = "[redacted]"

_SECRET_KEY = re.compile(r"token(?!i[sz])|key|secret|passw|credential", re.IGNORECASE)
_NUMBER_TOO = re.compile(r"api_?key|secret|passw|credential", re.IGNORECASE)
"""Keys whose numbers are secrets; `max_tokens: 128` is a setting."""

_URL_CREDENTIALS = re.compile(r"(?<=://)[^/\s?#]+(?=@)")  # up to the last `@`: a password may hold one
_ASSIGNED = re.compile(
    r"""(\b[\w.-]*(?:token(?!i[sz]|s)|api_?key|secret|passw(?:or)?d|signature)[\w.-]*["']?\s*[=:]\s*["']?)[^\s&"',;]+""",
    re.IGNORECASE,
)
_URL_PARAMETER = re.compile(r"([?&][^=&\s]*(?:token|key|secret|passw|signature)[^=&\s]*=)[^&\s]+", re.IGNORECASE)
_BEARER = re.compile(r"\b((?:bearer|basic)\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_KNOWN_SHAPE = re.compile(r"\b(?:hf_|sk-|ghp_|glpat-|AKIA)[\w-]{12,}")


def redacted(value: JsonValue, key: str = "") -> JsonValue:
    """Return `value` without secrets, at any depth.

    A secret is a value whose key speaks of a token, key, secret, password or credential,
    and in any text what `redacted_text` takes out.
    """
    if isinstance(value, dict):
        return {name: redacted(item, f"{key}.{name}") for name, item in value.items()}
    if isinstance(value, list):
        return [redacted(item, key) for item in value]
    if isinstance(value, str):
        return REDACTED if _SECRET_KEY.search(key) else redacted_text(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return REDACTED if is_number and _NUMBER_TOO.search(key) else value


def redacted_text(text: str) -> str:
    """Return `text` without credentials in URLs, assigned passwords, bearer tokens and keys of known shape."""
    text = _URL_CREDENTIALS.sub(REDACTED, text)
    for pattern in (_URL_PARAMETER, _ASSIGNED, _BEARER):
        text = pattern.sub(rf"\1{REDACTED}", text)
    return _KNOWN_SHAPE.sub(REDACTED, text)
