r"""Secrets are taken out of free text, and free text is made fit for an artifact.

A detector has a pattern in linear time and the public source of the shape that it knows; nothing here guesses from
entropy, so that hashes, ids, prices and dates are left alone. What is found is replaced whole, and redacting again
changes nothing. ``docs/secrets.md`` says what is detected, and what was measured.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Detector(NamedTuple):
    """What a kind of secret looks like, and where its shape is published.

    Whatever the pattern matches holds one of ``hints``, in any letter case: a text without them is not scanned.
    """

    hints: tuple[str, ...]
    pattern: str
    source: str


_START = r"(?<![A-Za-z0-9])"
"""Where a token may begin: a word boundary would miss one behind an underscore, as in a run id."""

_PHRASE_NAMES = r"pass[_ -]?phrase|mnemonic|(?:seed|recovery)[_ -]?phrase"

_SECRET_NAMES = "|".join(
    (
        r"pass[_ -]?(?:word|wd|code)|pwd",
        r"(?:db|database|user|admin|root|smtp|mysql|pg|postgres|redis|mongo|ftp|ssh|proxy)[_-]?pass",
        r"secret(?:[_ -]?access)?(?:[_ -]?(?:key|token|id))?",
        r"api[_ -]?(?:key|secret|token|pass)",
        r"(?:access|private|signing|encryption|master|account|subscription|consumer|client|webhook)[_ -]?(?:key|token)",
        r"(?:auth|refresh|session|bot|bearer|security|personal|oauth|id|github|gitlab|slack|service)[_ -]?token",
    )
)

_NAME_HINTS = ("pass", "pwd", "secret", "key", "token", "mnemonic", "phrase")
"""One of these stands in every name of :data:`_SECRET_NAMES` and :data:`_PHRASE_NAMES`."""

_IS = r"(?:>|[\"'\\\])]{0,4}\s{0,4}(?::=|=>|->|={1,2}|:)\s{0,20}(?:[|>][+-]?\s{1,20})?(?:-\s{1,4})?)"
"""Between a name and its value: ``=``, ``:``, ``:=``, ``=>``, ``->``, an XML tag, a YAML block or list item."""

_QUOTED = (
    r"\"(?:[^\"\\\n]|\\.){3,}\"?|'(?:[^'\\\n]|\\.){3,}'?|\\{1,4}[\"'][^\"'\n]{3,}[\"']?"
    r"|\[[^\]\n]{3,}\]?|\{[^}\n]{3,}\}?"
)

_VALUE = rf"(?:{_QUOTED}|(?![\"'])\S{{3,}})"
_PHRASE_VALUE = rf"(?:{_QUOTED}|(?![\"'])[^\n]{{3,}})"

_WITH_DIGIT = r"(?=[A-Za-z._~+/-]*[0-9=])"
_WITH_BOTH_CASES = r"(?=[a-z0-9+/]*[A-Z])(?=[A-Z0-9+/]*[a-z])"

# unbounded are only repetitions behind which nothing can fail, so that no text is scanned twice for one start
DETECTORS: Mapping[str, Detector] = {
    "private-key": Detector(
        ("private key",),
        r"-{4,5} ?BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)? ?-{4,5}[^-]*(?:-(?!-{3,4} ?END)[^-]*)*"
        r"(?:-{4,5} ?END [A-Z0-9 ]{0,60}-{0,5})?",
        "RFC 7468 (PEM), RFC 4716 (SSH2), RFC 9580 section 6.2 (OpenPGP), OpenSSH PROTOCOL.key",
    ),
    "aws-key-id": Detector(
        ("akia", "asia", "abia", "acca"),
        _START + r"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}(?![A-Za-z0-9])"
        r"(?:[\s,:;|\"'\\]{1,6}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+]))?",
        "AWS IAM User Guide, IAM identifiers, unique identifiers; a secret access key right behind it goes too",
    ),
    "github-token": Detector(
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        _START + r"(?:gh[pousr]_[A-Za-z0-9_]{20,}|github_pat_[A-Za-z0-9_]{20,})",
        "GitHub Docs, About authentication to GitHub, token formats",
    ),
    "gitlab-token": Detector(
        ("gl",),
        _START + r"gl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|ffct)-[A-Za-z0-9_.-]{20,}",
        "GitLab Docs, GitLab token overview, token prefixes",
    ),
    "slack-token": Detector(
        ("xox", "xapp-", "hooks.slack.com"),
        _START + r"(?:xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{10,}"
        r"|hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_+-]{20,})",
        "Slack API documentation, token types and incoming webhooks",
    ),
    "api-key": Detector(
        ("sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "whsec_"),
        _START + r"(?:(?:sk|pk|rk)[-_](?:live|test|proj|ant|svcacct|admin|or)[-_][A-Za-z0-9_-]{10,}"
        r"|sk-[A-Za-z0-9]{32,}|whsec_[A-Za-z0-9+/=]{16,})",
        "Stripe API keys; OpenAI and Anthropic API references, as gitleaks' public rules record their prefixes",
    ),
    "google-key": Detector(
        ("aiza", "gocspx-", "ya29."),
        _START + r"(?:AIza[A-Za-z0-9_-]{35,}|GOCSPX-[A-Za-z0-9_-]{20,}|ya29\.[A-Za-z0-9_-]{20,})",
        "Google Cloud documentation, API keys and OAuth 2.0; detect-secrets and gitleaks record the same prefixes",
    ),
    "telegram-token": Detector(
        (":a",),
        _START + r"(?:bot)?[0-9]{6,12}:A[A-Za-z0-9_-]{34,}",
        "Telegram Bot API, authorizing your bot",
    ),
    "json-web-token": Detector(
        ("eyj",),
        _START + r"eyJ[A-Za-z0-9_-]{17,}(?:\.[A-Za-z0-9_-]*){0,4}",
        "RFC 7515 and RFC 7516, compact serialization: base64url of a JSON object, also when cut short",
    ),
    "bearer": Detector(
        ("authorization", "bearer", "basic"),
        rf"(?i:{_START}authorization"
        r"[\"'\\]{0,4}\s{0,4}[:=]\s{0,4}[\"'\\]{0,4}"
        r"(?:(?:bearer|basic|token|digest|negotiate|apikey|hmac|aws4-hmac-sha256)\s{1,4}[^\s\"'][^\n\"']*"
        rf"|{_WITH_DIGIT}[^\s\"']{{16,}})"
        rf"|{_START}bearer\s{{1,4}}{_WITH_DIGIT}[A-Za-z0-9._~+/=-]{{16,}})"
        rf"|{_START}[Bb](?:asic|ASIC)\s{{1,4}}(?:(?=[A-Za-z+/]*[0-9]){_WITH_BOTH_CASES}[A-Za-z0-9+/]{{16,}}={{0,2}}"
        r"|[A-Za-z0-9+/]{14,200}={1,2})",
        "RFC 6750 and RFC 9110 section 11 (token68), RFC 7617; outside a header only what has a token's shape",
    ),
    "connection-string": Detector(
        ("@",),
        _START + r"[a-zA-Z][a-zA-Z0-9+.-]{1,20}:/{1,3}(?:[^\s/:@?#]{0,200}:(?![0-9]{1,5}[/?#])[^\s@]{1,300}"
        r"|(?=[A-Za-z._~%-]{0,300}[0-9])[A-Za-z0-9._~%-]{16,300})@\S+"
        r"|(?<!\S)[^\s:@/]{1,64}:[^\s@]{1,200}@(?:tcp|udp|unix)\(\S*"
        rf"|{_START}jdbc:oracle"
        r":[a-z]{3,6}:[^\s/]{1,64}/[^\s@]{1,200}@\S*",
        "RFC 3986 section 3.2.1 (userinfo), also where a path lost a slash; PostgreSQL libpq, go-sql-driver/mysql and "
        "Oracle JDBC connection strings",
    ),
    "netrc": Detector(
        ("password",),
        r"(?i:(?<![a-z0-9])(?:machine\s{1,8}\S{1,255}|default)\s{1,8}(?:(?:login|account)\s{1,8}\S{1,255}\s{1,8}){0,2}"
        r"password\s{1,8}\S+)",
        "GNU inetutils manual, the .netrc file",
    ),
    "command-line": Detector(
        ("-u", "--user", *_NAME_HINTS),
        rf"(?i:(?<![A-Za-z0-9-])--?(?:{_SECRET_NAMES}|{_PHRASE_NAMES}|pass|token)[ \t]{{1,4}}(?!-)\S{{3,}}"
        r"|(?<![A-Za-z0-9-])(?:-u|--user)[ =][^\s:]{1,64}:\S{3,})",
        "GNU Coding Standards, long options; curl manual, -u, --user",
    ),
    "assignment": Detector(
        (*_NAME_HINTS, "auth"),
        rf"(?i:(?<!\[REDACTED:)(?:(?:{_SECRET_NAMES})s?(?:[_-]?(?:[0-9]{{1,3}}|value|base64|hex|pem|prod|live|test)\b)?"
        rf"{_IS}{_VALUE}|(?:{_PHRASE_NAMES}){_IS}{_PHRASE_VALUE}"
        rf"|{_START}token[\"'\\\])]{{0,4}}\s{{0,4}}[:=]\s{{0,4}}[\"'\\]{{0,4}}(?!0x){_WITH_DIGIT}[A-Za-z0-9._~+/-]{{20,}}={{0,2}})"
        r"|\"auth\"\s{0,4}:\s{0,4}\"[A-Za-z0-9+/]{12,}={0,2}\"?)",
        "names as in detect-secrets' keyword plugin and in the exchanges' own API documentation",
    ),
}

_COMPILED = tuple((name, item.hints, re.compile(item.pattern, re.ASCII)) for name, item in DETECTORS.items())

MARK_PATTERN = r"\[REDACTED:[a-z-]{1,40}\]"
"""What stands where something was taken out."""

_MARK = re.compile(MARK_PATTERN, re.ASCII)
_WITHHELD = "[REDACTED:text]"
_MOST_PASSES = 10
_CUT_MARK = "…[cut]"
_OWN_HASH_NAMES = ("sha256", "_hash", "run_digest", "event_id")
"""Ends of the names of fields that hold a hash which c2lib made."""

MAX_FREE_TEXT = 2000
"""Longest free text in an artifact, in characters; what is beyond is cut and marked."""

FOREIGN = (Exception, SystemExit)
"""What strategies, sinks and clocks may raise; a ``sys.exit`` of theirs must not look like a success."""


def _candidates(text: str) -> list[tuple[str, re.Pattern[str]]]:
    """Return the detectors that can find something: those with a hint in ``text``."""
    lowered, found = text.lower(), []
    for name, hints, pattern in _COMPILED:
        for hint in hints:
            if hint in lowered:
                found.append((name, pattern))
                break
    return found


def find_secret(text: str) -> str | None:
    """Return the name of the first detector that finds something in ``text``, or ``None``."""
    return next((name for name, pattern in _candidates(text) if pattern.search(text)), None)


def redact_secrets(text: str) -> str:
    """Return ``text`` with everything that a detector finds replaced by ``[REDACTED:name]``.

    A replacement can make another detector's find, so the passes go on until one changes nothing; a text that
    does not come to rest is replaced as a whole.

    >>> redact_secrets("login with password=hunter2hunter2 please")
    'login with [REDACTED:assignment] please'
    """
    for _ in range(_MOST_PASSES):
        before = text
        for name, pattern in _candidates(text):
            text = pattern.sub(f"[REDACTED:{name}]", text)
        if text == before:
            return text
    return _WITHHELD


def redact_whole(text: str) -> str:
    """Return ``text``, or nothing of it but ``[REDACTED:name]`` when a detector finds something in it.

    For fields with a bound: what takes a secret's place must not make the text longer than it may be.
    """
    name = find_secret(text)
    return f"[REDACTED:{name}]" if name else text


def is_redacted(text: str) -> bool:
    """Return whether something was taken out of ``text``."""
    return _MARK.search(text) is not None


def clean_text(text: str) -> str:
    """Return ``text`` as an artifact may hold it."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
        text = unicodedata.normalize("NFC", text)
    # a cut can make another detector's find, so the passes go on until one changes nothing
    for _ in range(_MOST_PASSES):
        cleaned = redact_secrets(text)
        if len(cleaned) > MAX_FREE_TEXT:
            cleaned = cleaned[: MAX_FREE_TEXT - len(_CUT_MARK)] + _CUT_MARK
        if cleaned == text:
            return text
        text = cleaned
    return _WITHHELD


def describe_exception(error: BaseException) -> str:
    """Return the type and the message of an exception, cleaned."""
    try:
        message = str(error)
    except FOREIGN:  # str() of a foreign exception is foreign code too
        message = "cannot say why"
    kind = type(error).__name__
    return clean_text(f"{kind}: {message}" if message else kind)


def clean_value(value: Any, field: str = "") -> Any:
    """Return a JSON value with every text in it cleaned, own hashes excepted."""
    if isinstance(value, str):
        return value if field.endswith(_OWN_HASH_NAMES) else clean_text(value)
    if isinstance(value, Mapping):
        return {clean_text(key): clean_value(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_value(item, field) for item in value]
    return value


def secret_field(value: Any, field: str = "") -> str | None:
    """Return the dotted name of the first field of a JSON value that holds a secret, or did, or ``None``."""
    if isinstance(value, str):
        return field if not field.endswith(_OWN_HASH_NAMES) and (is_redacted(value) or find_secret(value)) else None
    items: Iterable[tuple[str, Any]] = ()
    if isinstance(value, Mapping):
        items = ((f"{field}.{key}" if field else key, item) for key, item in value.items())
    elif isinstance(value, list | tuple):
        items = ((f"{field}[{index}]", item) for index, item in enumerate(value))
    return next(filter(None, (secret_field(item, name) for name, item in items)), None)
