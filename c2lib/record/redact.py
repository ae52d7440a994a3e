"""The policy by which free text enters an artifact.

Rules kept here:

* free text is cleaned once, where it enters: made valid and NFC, cut to a bound, secrets replaced;
* hashes of our own are exempt by field name, since they are made here and no detector may touch them;
* what is already clean comes back unchanged, so that a replay of cleaned text gives the same bytes.

>>> clean_text("token: api_key=abcd1234abcd")
'token: [REDACTED:assignment]'
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from c2lib.core.secrets import find_secret, is_redacted, redact_secrets

MAX_FREE_TEXT = 2000
"""Longest free text in an artifact, in characters; what is beyond is cut and marked."""

FOREIGN = (Exception, SystemExit)
"""What strategies, sinks and clocks may raise; a ``sys.exit`` of theirs must not look like a success."""

_CUT_MARK = "…[cut]"
_UNTOLD = "[REDACTED:text]"
_MOST_PASSES = 10
_OWN_HASH_SUFFIXES = ("_sha256", "sha256", "_hash", "run_digest", "event_id")


def clean_text(text: str) -> str:
    """Return ``text`` as an artifact may hold it."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
        text = unicodedata.normalize("NFC", text)
    # a cut can make another detector's find, so the passes go on until one changes nothing
    for _ in range(_MOST_PASSES):
        cleaned = _cut(redact_secrets(text))
        if cleaned == text:
            return text
        text = cleaned
    return _UNTOLD


def _cut(text: str) -> str:
    return text if len(text) <= MAX_FREE_TEXT else text[: MAX_FREE_TEXT - len(_CUT_MARK)] + _CUT_MARK


def describe_exception(error: BaseException) -> str:
    """Return the type and the message of an exception, cleaned."""
    try:
        message = str(error)
    except FOREIGN:  # its own way of telling is foreign code too
        message = "cannot say why"
    kind = type(error).__name__
    return clean_text(f"{kind}: {message}" if message else kind)


def is_own_hash(field: str) -> bool:
    """Whether a field of this name holds a hash that c2lib made."""
    return field.endswith(_OWN_HASH_SUFFIXES)


def clean_value(value: Any, field: str = "") -> Any:
    """Return a JSON value with every text in it cleaned, own hashes excepted."""
    if isinstance(value, str):
        return value if is_own_hash(field) else clean_text(value)
    if isinstance(value, Mapping):
        return {clean_text(key): clean_value(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_value(item, field) for item in value]
    return value


def secret_field(value: Any, field: str = "") -> str | None:
    """Return the dotted name of the first field of a JSON value that holds a secret, or did, or ``None``."""
    if isinstance(value, str):
        return field if not is_own_hash(field) and (is_redacted(value) or find_secret(value)) else None
    items: list[tuple[str, Any]] = []
    if isinstance(value, Mapping):
        items = [(f"{field}.{key}" if field else key, item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        items = [(f"{field}[{index}]", item) for index, item in enumerate(value)]
    for name, item in items:
        found = secret_field(item, name)
        if found:
            return found
    return None
