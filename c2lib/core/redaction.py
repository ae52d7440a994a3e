r"""Secrets are taken out of free text, and free text is made fit for an artifact.

A detector has a pattern in linear time and the public source of the shape that it knows; nothing here guesses from
entropy, so that hashes, ids, prices and dates are left alone. What is found is replaced whole, and redacting again
changes nothing. ``docs/secrets.md`` says what is detected; ``docs/adr/0008-secret-shapes.md``, why by our own table.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import count
from typing import Any, NamedTuple


class Detector(NamedTuple):
    """What a kind of secret looks like, and where its shape is published (gitleaks is 8.30.1, detect-secrets 1.5.0).

    What the pattern matches holds one of ``hints``, in any letter case; a match is a find if ``check`` is true of it.
    """

    hints: tuple[str, ...]
    pattern: str
    source: str
    check: Callable[[str], bool] = bool


_START = r"(?<![A-Za-z0-9])"
"""Where a token may begin: a word boundary would miss one after an underscore, as in a run id."""

_PHRASE_NAMES = r"pass[_ -]?phrase|mnemonic|(?:seed|recovery)[_ -]?phrase"

_PATH = r"s?[\"'\])]{0,2}[:=\s]{1,4}[\"']?(?:~|\.{0,2}|[a-z]:)[/\\]"
_KEYS = "access|priv(?:ate)?|signing|encryption|master|account|subscription|consumer|client|webhook|auth|db|service"
_SHORT_NUMBER = r"s?[\"'\])]{0,2}\s{0,4}[:=]{1,2}\s{0,4}[0-9]{1,6}(?:[.,][0-9]{1,8}){0,2}(?![^\s,;)\]}])"

_SECRET_NAMES = "|".join(
    (
        r"pass[_ -]?(?:wor[dt]|wd|code)|kennwort|contrase[n\u00f1\u00d1]a",
        # the shell's PWD and a path to credentials are no secrets; ODBC's PWD is one, whatever it begins with
        rf"(?:pwd|credentials?)(?:(?<=;pwd)|(?!{_PATH}))",
        r"(?:db|database|user|admin|root|smtp|mysql|pg|postgres|redis|mongo|ftp|ssh|proxy|key)[_-]?pass",
        r"secret(?:[_ -]?access)?(?:[_ -]?(?:key|token|id))?|(?:api|hmac)[_ -]?(?:key|secret|token|pass)",
        rf"(?:{_KEYS})[_ -]?(?:key|token)(?!{_SHORT_NUMBER})",
        r"(?:refresh|session|bot|bearer|security|personal|oauth|id|github|gitlab|slack)[_ -]?token",
    )
)

_NAME_HINTS = ("pass", "pwd", "secret", "key", "token", "mnemonic", "phrase", "kennwort", "contrase", "credential")
"""One of these stands in every name of :data:`_SECRET_NAMES` and :data:`_PHRASE_NAMES`."""

_IS = r"(?:>|[\"'\\\])]{0,4}\s{0,4}(?::=|=>|->|[!=]?={1,2}|:)\s{0,20}(?:[|>][+-]?\s{1,20})?(?:-\s{1,4})?)"
"""Between a name and its value: ``=``, ``:``, ``:=``, ``!=``, ``=>``, ``->``, an XML tag, a YAML block or list item."""

_QUOTED = (
    r"\"(?:[^\"\\\n]|\\.){3,}\"?|'(?:[^'\\\n]|\\.){3,}'?|\\{1,4}[\"'][^\"'\n]{3,}[\"']?"
    r"|\[[^\]\n]{3,}\]?|\{[^}\n]{3,}\}?"
)

_VALUE = rf"(?:{_QUOTED}|(?![\"'])\S{{3,}})"
_PHRASE_VALUE = rf"(?:{_QUOTED}|(?![\"'])[^\n]{{3,}})"

_NOT_WORDS = r"(?!(?-i:(?:(?:[A-Za-z][a-z]{1,30}|[A-Z]{2,30}|[A-Za-z]?[0-9]{1,4}[a-z]?)[-_/]){2}|(?:[a-z]{3,30}\.){2}))"
"""Ahead of a token in which ``-`` and ``_`` may stand: the name of a strategy is words, a token is not."""

_WITH_DIGIT = rf"(?=[A-Za-z._~+/-]{{0,300}}(?:[0-9]|={{1,2}}(?![A-Za-z0-9=]))){_NOT_WORDS}"
_MIXED = rf"(?=[^A-Z\s]{{0,30}}[A-Z])(?=[^a-z\s]{{0,30}}[a-z]){_NOT_WORDS}"
_TOKEN = rf"(?:[A-Za-z0-9]{{20}}|{_MIXED}[\w-]{{20}})"

_IBAN_LENGTHS = (
    "15NO 16BE 18DK|FI|FK|FO|GL|NL|SD 19MK|SI 20AT|BA|EE|KZ|LT|LU|MN|XK 21CH|HR|LI|LV 23AE|GI|IL|IQ|OM|SO|TL 24AD|CZ|"
    "ES|MD|PK|RO|SA|SE|SK|TN|VG 22BG|BH|CR|DE|GB|GE|IE|ME|RS|VA 25LY|PT|ST 26IS|TR 27BI|DJ|FR|GR|IT|MC|MR|SM 28AL|AZ|"
    "BY|CY|DO|GT|HN|HU|LB|NI|PL|SV 29BR|EG|PS|QA|UA 30JO|KW|MU|YE 31MT|SC 32LC 33RU"
)
# a class of characters comes first, which is searched for fast: this is asked of every text
_IBAN = r"[A-Z](?<![A-Za-z0-9][A-Z])[A-Z](?=[0-9]{{2}})(?:{})(?![A-Za-z0-9])".format(
    "|".join(
        f"(?<={item[2:]})..(?: ?[A-Z0-9]{{4}}){{{int(item[:2]) // 4 - 1}}} ?[A-Z0-9]{{{int(item[:2]) % 4}}}"
        for item in _IBAN_LENGTHS.split()
    )
)


def _is_iban(text: str) -> bool:
    moved = text.replace(" ", "")[4:] + text[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


_TOKENS = r"""
aws-key-id akia,asia,abia,acca A(?:[KSB]I|CC)A[0-9A-Z]{16}(?![A-Za-z0-9])(?:[\s,:;|"'\\]{1,6}[\w/+]{40}(?![\w/+]))? AWS
github-token ghp_,gho_,ghu_,ghs_,ghr_,github_pat_ (?:gh[pousr]|github_pat)_[A-Za-z0-9]{20}[\w.-]* GitHub Docs, tokens
gitlab-token gl,gr1348941 (?:GR1348941|gl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|ffct)-)<token>[\w.-]* gitleaks
slack-token xox xox[a-z.]{1,7}-(?:[0-9]-)?[0-9]{5,14}-[\w-]{8,} gitleaks slack-bot-token, slack-user-token
slack-legacy-token xox xox[a-z.]{1,7}-(?:[0-9]-)?(?=[A-Za-z]{0,11}[0-9])[A-Za-z0-9]{12}[\w%+/=-]* gitleaks slack-*
slack-app-token xapp- xapp-[0-9]-[A-Z][A-Z0-9]{3,14}-(?=[A-Za-z-]{0,30}[0-9])[\w-]{8,} gitleaks slack-app-token
slack-webhook hooks.slack.com hooks\.slack\.com/(?:services|workflows|triggers)/[\w/+-]{20,} gitleaks slack-webhook-url
stripe-key k_live_,k_test_,k_prod_,whsec_ (?:[spr]k_(?:live|test|prod)_|whsec_)[A-Za-z0-9+/=]{16,} gitleaks stripe-*
api-key sk- sk-(?:[A-Za-z0-9]{32}|ant-[a-z]{3,5}[0-9]{2}-[\w-]{20}|(?:proj|svcacct|admin|or-v1)-<token>)[\w-]* gitleaks
google-key aiza,gocspx-,ya29. (?:AIza[\w-]{15}|GOCSPX-|ya29\.)[\w-]{20,} gitleaks gcp-api-key; Google Cloud, OAuth 2.0
npm-token npm_ npm_[A-Za-z0-9]{36,} gitleaks npm-access-token
pypi-token pypi-age pypi-AgE(?:IcHlwaS5vcmc|NdGVzdC5weXBpLm9yZw)[\w-]{50,} detect-secrets PypiTokenDetector
huggingface-token hf_,api_org_ (?:hf|api_org)_[A-Za-z0-9]{34}(?!\w) gitleaks huggingface-access-token
sendgrid-key sg. SG\.[\w-]{22}\.[\w-]{43,} detect-secrets SendGridDetector
discord-token . [MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27,} detect-secrets DiscordBotTokenDetector
discord-webhook discord discord(?:app)?\.com/api/(?:v[0-9]{1,2}/)?webhooks/[0-9]{17,20}/[\w-]{60,} Discord API, webhooks
netrc password (?i:(?:(?:machine|login|account)\s{1,8}\S{1,255}\s{1,8}|default\s{1,8}){1,3}password\s{1,8}\S+) .netrc
vault-token hvs.,hvb.,hvr.,s. (?:hv[sbr]\.<token>[\w-]*|s\.(?=[A-Za-z]{0,23}[0-9])[A-Za-z0-9]{24}(?!\w)) gitleaks
grafana-token glsa_,glc_ (?:glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/]{32,}={0,3}) gitleaks grafana-*
digitalocean-token _v1_ do[opr]_v1_[a-f0-9]{64} gitleaks digitalocean-pat, -access-token, -refresh-token
shopify-token shp shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32} gitleaks shopify-*
docker-token dckr_ dckr_[op]at_<token>[\w-]* Docker Docs, personal and organization access tokens
databricks-token dapi dapi[a-f0-9]{32}(?:-[0-9])?(?!\w) gitleaks databricks-api-token
twilio-key ac,sk (?:AC|SK)[a-f0-9]{32}(?!\w) detect-secrets TwilioKeyDetector, gitleaks twilio-api-key
square-token sq0,eaaa (?:sq0[a-z]{3}-|EAAA(?![-_]))<token>[\w-]* gitleaks square-access-token, square-secret
mailgun-key key- (?:pub)?key-[a-f0-9]{32}(?!\w) gitleaks mailgun-private-api-token, mailgun-pub-key
mailgun-signature mailgun (?i:mailgun)[\w.-]{0,20}["'\s:=>]{1,8}[a-h0-9]{32}-[a-h0-9]{8}-[a-h0-9]{8} gitleaks
new-relic-key nrak-,nrjs-,nrii-,nriq- NR(?:AK|JS|II|IQ)-(?:[A-Za-z0-9]{19}|<token>)[\w-]* gitleaks new-relic-*
azure-secret sig=,q~ (?:sig=[\w%+/]{43,90}(?:%3[Dd]|=)|[\w~.]{3}[0-9]Q~[\w~.-]{31,34}(?![\w~.-])) Azure SAS; gitleaks
telegram-token :a (?:bot)?[0-9]{6,12}:A[\w-]{34,} Telegram Bot API, authorizing your bot
json-web-token eyj eyJ[\w-]{17,}(?:\.[\w-]*){0,4} RFC 7515 and RFC 7516, compact serialization, also cut short
"""
"""Tokens, one a line: name, hints, pattern, source; none follows a letter or digit; ``<token>`` is _TOKEN."""


# unbounded are only repetitions behind which nothing can fail, so that no text is scanned twice for one start
DETECTORS: Mapping[str, Detector] = {
    "private-key": Detector(
        ("private key",),
        r"-{4,5} ?BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)? ?-{4,5}[^-]*(?:-(?!-{3,4} ?END)[^-]*)*"
        r"(?:-{4,5} ?END [A-Z0-9 ]{0,60}-{0,5})?",
        "RFC 7468 (PEM), RFC 4716 (SSH2), RFC 9580 section 6.2 (OpenPGP), OpenSSH PROTOCOL.key",
    ),
    **{
        name: Detector(tuple(hints.split(",")), f"{_START}(?:{pattern})".replace("<token>", _TOKEN), source)
        for name, hints, pattern, source in (row.split(maxsplit=3) for row in _TOKENS.strip().splitlines())
    },
    "iban": Detector(("",), _IBAN, "ISO 13616-1; ISO 7064, MOD 97-10", _is_iban),
    "bearer": Detector(
        ("authorization", "bearer", "basic"),
        rf"(?i:{_START}authorization[\"'\\]{{0,4}}\s{{0,4}}[:=]\s{{0,4}}[\"'\\]{{0,4}}"
        r"(?:(?:bearer|basic|token|digest|negotiate|apikey|hmac|aws4-hmac-sha256)\s{1,4}[^\s\"'][^\n\"']*"
        rf"|{_WITH_DIGIT}[^\s\"']{{16,}})"
        rf"|{_START}bearer\s{{1,4}}{_WITH_DIGIT}[A-Za-z0-9._~+/=-]{{16,}})"
        rf"|{_START}[Bb](?:asic|ASIC)\s{{1,4}}(?:(?=[A-Za-z+/]{{0,30}}[0-9])(?!(?:[A-Z][a-z]{{2,20}}){{2}}){_MIXED}"
        r"[A-Za-z0-9+/]{16,}={0,2}|(?=[a-z+/]{0,200}[A-Z0-9])[A-Za-z0-9+/]{14,200}={1,2}(?![A-Za-z0-9=]))",
        "RFC 6750 and RFC 9110 section 11 (token68), RFC 7617; outside a header only what has a token's shape",
    ),
    "connection-string": Detector(
        ("@",),
        _START + r"[a-zA-Z][a-zA-Z0-9+.-]{1,20}:/{1,3}(?:[^\s/:@?#]{0,200}:"
        r"(?![0-9]{1,5}(?:[/?#\"';]|,[A-Za-z0-9.-]{1,250}[:,@]))[^\s@]{1,300}"
        rf"|(?=[A-Za-z._~%-]{{0,300}}[0-9]){_NOT_WORDS}[A-Za-z0-9._~%-]{{16,300}})@\S+"
        r"|(?<!\S)[^\s:@/]{1,64}:[^\s@]{1,200}@(?:tcp|udp|unix)\(\S*"
        r"|jdbc:oracle:[a-z]{3,6}:[^\s/]{1,64}/[^\s@]{1,200}@\S*",
        "RFC 3986 section 3.2.1 (userinfo), also where a path lost a slash; libpq, go-sql-driver/mysql, Oracle JDBC",
    ),
    "cookie": Detector(
        ("cookie", "sess", "connect.sid"),
        rf"(?i:(?<!\[REDACTED:)cookies?{_IS}(?:{_QUOTED}|[^\s=;]{{1,64}}=[^\s;\"']+(?:;\s{{0,4}}[^\s=;]{{1,64}}=[^\s;\"']*){{0,50}})"
        r"|(?:phpsessid|jsessionid|asp\.net_sessionid|connect\.sid|_gitlab_session)=[a-z0-9%._-]{16,})",
        "RFC 6265; PHP, Jakarta Servlet, ASP.NET and Express session cookies; gitleaks gitlab-session-cookie",
    ),
    "command-line": Detector(
        ("-u", "--user", *_NAME_HINTS),
        rf"(?i:(?<![A-Za-z0-9-])--?(?:{_SECRET_NAMES}|{_PHRASE_NAMES}|pass|token)[ \t]{{1,4}}(?!-)\S{{3,}}"
        r"|(?<![A-Za-z0-9-])(?:-u|--user)[ =][^\s:]{1,64}:\S{3,})",
        "GNU Coding Standards, long options; curl manual, -u, --user",
    ),
    "assignment": Detector(
        (*_NAME_HINTS, "pw", "auth"),
        rf"(?i:(?<!\[REDACTED:)(?:(?:{_SECRET_NAMES})s?(?:[_-]?(?:[0-9]{{1,3}}|value|base64|hex|pem|prod|live|test)\b)?"
        rf"{_IS}{_VALUE}|(?:{_PHRASE_NAMES}){_IS}{_PHRASE_VALUE}"
        rf"|{_START}token[\"'\\\])]{{0,4}}\s{{0,4}}[:=]\s{{0,4}}[\"'\\]{{0,4}}(?!0x){_WITH_DIGIT}[A-Za-z0-9._~+/-]{{20,}}={{0,2}})"
        r"|(?i:(?<![A-Za-z0-9_.-])(?:pass|pw)\s?=\s?(?!=|[\"']?(?:[+-]?[0-9.,]{1,20}|true|false|none|null)(?![^\s,;)\]}\"']))[^\s,;]{4,}"
        r"|[\"'](?:pass|pw)[\"']\s?:\s?[\"'][^\"'\n]{4,})"
        r"|\"auth\"\s{0,4}:\s{0,4}\"[A-Za-z0-9+/]{12,}={0,2}\"?)",
        "names as in detect-secrets KeywordDetector and in the exchanges' own API documentation",
    ),
}

_COMPILED = tuple((name, re.compile(item.pattern, re.ASCII), item.check) for name, item in DETECTORS.items())
_BY_HINT = {
    hint: [index for index, item in enumerate(DETECTORS.values()) if hint in item.hints]
    for hint in dict.fromkeys(hint for item in DETECTORS.values() for hint in item.hints)
}

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


def _candidates(text: str) -> list[tuple[str, re.Pattern[str], Callable[[str], bool]]]:
    """Return the detectors that can find something: those with a hint in ``text``."""
    lowered = text.lower()
    found = {index for hint, indexes in _BY_HINT.items() if hint in lowered for index in indexes}
    return [_COMPILED[index] for index in sorted(found)]


def find_secret(text: str) -> str | None:
    """Return the name of the first detector that finds something in ``text``, or ``None``."""
    finds = ((name, check(match[0])) for name, pattern, check in _candidates(text) for match in pattern.finditer(text))
    return next((name for name, found in finds if found), None)


def _marked(mark: str, check: Callable[[str], bool], match: re.Match[str]) -> str:
    return mark if check(match[0]) else match[0]


def redact_secrets(text: str) -> str:
    """Return ``text`` with everything that a detector finds replaced by ``[REDACTED:name]``.

    A replacement can make another detector's find, so the passes go on until one changes nothing; a text that
    does not come to rest is replaced as a whole.

    >>> redact_secrets("login with password=hunter2hunter2 please")
    'login with [REDACTED:assignment] please'
    """
    for _ in range(_MOST_PASSES):
        before = text
        for name, pattern, check in _candidates(text):
            text = pattern.sub(partial(_marked, f"[REDACTED:{name}]", check), text)
        if text == before:
            return text
    return _WITHHELD


def redact_whole(value: Any) -> Any:
    """Return a JSON value that has of each text in which a detector finds something nothing but ``[REDACTED:name]``.

    For fields with a bound: what takes a secret's place must not make the text longer than it may be.
    """
    if isinstance(value, str):
        name = find_secret(value)
        return f"[REDACTED:{name}]" if name else value
    if isinstance(value, dict):
        return {key: redact_whole(item) for key, item in value.items()}
    return [redact_whole(item) for item in value] if isinstance(value, list | tuple) else value


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
    """Return a JSON value with every text in it cleaned, own hashes excepted; keys that become equal are numbered."""
    if isinstance(value, str):
        return value if field.endswith(_OWN_HASH_NAMES) else clean_text(value)
    if isinstance(value, Mapping):
        cleaned: dict[str, Any] = {}
        for key, item in value.items():
            names = (clean_text(f"({number}) {key}" if number > 1 else key) for number in count(1))
            cleaned[next(name for name in names if name not in cleaned)] = clean_value(item, key)
        return cleaned
    if isinstance(value, list | tuple):
        return [clean_value(item, field) for item in value]
    return value


def secret_field(value: Any, field: str = "") -> str | None:
    """Return the dotted name of the first field of a JSON value that holds a secret, or did, or ``None``."""
    if isinstance(value, str):
        held = not field.endswith(_OWN_HASH_NAMES) and (is_redacted(value) or find_secret(value))
        return (field or "(unnamed)") if held else None
    items: Iterable[tuple[str, Any]] = ()
    if isinstance(value, Mapping):
        items = ((".".join(filter(None, (field, key or "(unnamed)"))), item) for key, item in value.items())
    elif isinstance(value, list | tuple):
        items = ((f"{field}[{index}]", item) for index, item in enumerate(value))
    return next(filter(None, (secret_field(item, name) for name, item in items)), None)
