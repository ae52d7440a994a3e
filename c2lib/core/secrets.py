"""Detectors for secrets in free text.

Rules kept here:

* a detector is a name and a linear-time pattern; nothing here guesses from entropy, so that hashes, ids,
  prices and dates are left alone;
* what is found is replaced whole by ``[REDACTED:name]``, and never returned or logged.

The patterns follow the publicly documented shapes of the credentials that they name.

>>> redact_secrets("login with password=hunter2hunter2 please")
'login with [REDACTED:assignment] please'
>>> find_secret("run_demo_001") is None
True
"""

from __future__ import annotations

import re

_SECRET_NAMES = "|".join(
    (
        "password|passwd|passphrase|secret(?:[_-]?key)?",
        "api[_-]?key|access[_-]?key|private[_-]?key",
        "auth[_-]?token|access[_-]?token",
    )
)

_ASSIGNED = r"(?:\"[^\"\n]{4,500}\"|'[^'\n]{4,500}'|[\"']?[^\s\"',;&]{4,})"

_START = r"(?<![A-Za-z0-9])"
"""Where a token may begin: a word boundary would miss one behind an underscore, as in a run id."""

# unbounded are only repetitions behind which nothing can fail, so that no text is scanned twice for one start
_DETECTORS: tuple[tuple[str, str], ...] = (
    (
        "private-key",
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]*(?:-(?!----END)[^-]*)*(?:-----END [A-Z ]{0,30}-----)?",
    ),
    ("aws-key-id", _START + r"(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])"),
    ("github-token", _START + r"(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    ("slack-token", _START + r"xox[abposr]-[A-Za-z0-9-]{10,}"),
    ("api-key", _START + r"(?:sk|pk|rk)[-_](?:live|test|proj|ant)[-_][A-Za-z0-9_-]{10,}"),
    ("json-web-token", _START + r"eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]*"),
    ("bearer", r"(?i:\b(?:bearer|basic)\s{1,4}[A-Za-z0-9._~+/=-]{16,})"),
    ("connection-string", r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s/:@]{0,100}:[^\s/@]{1,200}@\S+"),
    (
        "assignment",
        rf"(?i:(?:{_SECRET_NAMES})[\"']?\s{{0,4}}[:=]\s{{0,4}}{_ASSIGNED})",
    ),
)

_COMPILED = tuple((name, re.compile(pattern, re.ASCII)) for name, pattern in _DETECTORS)


def find_secret(text: str) -> str | None:
    """Return the name of the first detector that finds something in ``text``, or ``None``."""
    for name, pattern in _COMPILED:
        if pattern.search(text):
            return name
    return None


def redact_secrets(text: str) -> str:
    """Return ``text`` with everything that a detector finds replaced by ``[REDACTED:name]``."""
    for name, pattern in _COMPILED:
        text = pattern.sub(f"[REDACTED:{name}]", text)
    return text
