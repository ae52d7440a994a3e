"""The detectors take linear time: shown on their patterns, not measured; and hostile texts are cleaned."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import pytest

from c2lib.core.redaction import DETECTORS, find_secret, redact_secrets

code: Any = import_module("re._constants")
parser: Any = import_module("re._parser")

MOST_LOOKED_AT = 4000
"""Most characters that one start may look at before it fails or cannot fail any more."""

REPEATS = (code.MAX_REPEAT, code.MIN_REPEAT)
ASSERTIONS = (code.ASSERT, code.ASSERT_NOT)
Items = Sequence[tuple[Any, Any]]


def parts(op: Any, arg: Any) -> list[Items]:
    """Return the patterns that an item of a parsed pattern holds."""
    if op in REPEATS:
        return [arg[2]]
    if op is code.BRANCH:
        return list(arg[1])
    return [arg[-1]] if op is code.SUBPATTERN or op in ASSERTIONS else []


def can_fail(items: Items) -> bool:
    """Return whether a pattern can fail: whether there is a text behind which it does not match."""

    def fails(op: Any, arg: Any) -> bool:
        if op in REPEATS:
            return bool(arg[0]) and can_fail(arg[2])
        if op is code.BRANCH:
            return all(can_fail(part) for part in arg[1])
        return can_fail(arg[-1]) if op is code.SUBPATTERN else True

    return any(fails(op, arg) for op, arg in items)


def repeats(items: Items) -> Iterator[Any]:
    """Yield every repetition in a pattern, at any depth."""
    for op, arg in items:
        if op in REPEATS:
            yield arg
        for part in parts(op, arg):
            yield from repeats(part)


def is_unrolled(body: Items) -> bool:
    """Return whether a repeated pattern begins with a literal that its one repetition, at its end, cannot match."""
    (first, literal), (last, repeat) = body[0], body[-1]
    return (
        first is code.LITERAL
        and last in REPEATS
        and [*repeat[2]] == [(code.NOT_LITERAL, literal)]
        and all(found[1] is not code.MAXREPEAT for found in repeats(body[1:-1]))
    )


def problems(items: Items, *, followed: bool = False, asserted: bool = False) -> Iterator[str]:
    """Yield what could make the search for a pattern scan a text more than once for all starts together.

    Args:
        items: a parsed pattern.
        followed: whether something that can fail comes behind it.
        asserted: whether it stands in a lookahead, which uses nothing up.
    """
    for op, arg in reversed(items):
        if op in REPEATS and arg[1] is code.MAXREPEAT:
            if asserted:
                yield "unbounded in a lookahead"
            if followed:
                yield "something can fail behind an unbounded repetition"
            if any(True for _ in repeats(arg[2])) and not is_unrolled(arg[2]):
                yield "a repetition in an unbounded one"
        else:
            again = op in REPEATS and arg[0] > 1
            for part in parts(op, arg):
                yield from problems(part, followed=followed or again, asserted=asserted or op in ASSERTIONS)
        followed = followed or can_fail([(op, arg)])


def looked_at(items: Items) -> int:
    """Return the most characters that a pattern looks at, an unbounded repetition counted by what it must match."""
    width = 0
    for op, arg in items:
        inner = max(map(looked_at, parts(op, arg)), default=1)
        times = 1 if op not in REPEATS else arg[0] if arg[1] is code.MAXREPEAT else arg[1]
        width += inner * times
    return width


@pytest.mark.parametrize("name", DETECTORS)
def test_detector_takes_linear_time(name: str) -> None:
    """Each detector looks at a bounded number of characters for each start, or matches and uses up what it scanned."""
    parsed = parser.parse(DETECTORS[name].pattern, code.SRE_FLAG_ASCII)
    assert list(problems(parsed)) == []
    assert looked_at(parsed) <= MOST_LOOKED_AT


@pytest.mark.parametrize(
    "pattern",
    [
        "a[^b]*b",
        "a[^b]*$",
        "a+(?!b)",
        "(?=[a-z]*1)x",
        "(?:a+)+",
        "(?:a|b*)*",
        "(?:-x[^y]*)*",
        "(?:-b*[^-]*)*",
        "x(?:ab*){2}",
        "(?:a*|c)d",
        "a(?:b+c)?",
    ],
)
def test_slow_pattern_is_caught(pattern: str) -> None:
    """A pattern that can scan the same text for many starts is refused by the check of the detectors."""
    assert list(problems(parser.parse(pattern)))


@pytest.mark.parametrize(
    "pattern",
    ["ab+", "a[^-]*(?:-(?!END)[^-]*)*(?:-END)?", r"ey\w{9,}(?:\.\w*){0,4}", r"'(?:[^'\\]|\\.){3,}'?", "a{1,9}b"],
)
def test_linear_pattern_passes(pattern: str) -> None:
    """A pattern that cannot fail behind an unbounded repetition passes the check of the detectors."""
    assert list(problems(parser.parse(pattern))) == []


HOSTILE: dict[str, tuple[str, ...]] = {
    "private-key": (
        "-",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY----- ",
        "----END ",
        "-" * 5 + "BEGIN PRIVATE KEY-----\n--",
    ),
    "aws-key-id": ("AKIA", "AK" + "IA" + "A" * 16 + "," + "a" * 39 + " ", "ASIA" + "A" * 15 + " "),
    "github-token": ("ghp_" + "A" * 19 + " ", "github_pat_ "),
    "gitlab-token": ("GR1348941", "GR1348941" + "a" * 19 + " ", "gl", "glpat-" + "a" * 19 + " "),
    "slack-token": ("xoxb-123456789 ", "xapp-1-", "hooks.slack.com/services/ "),
    "slack-legacy-token": ("xoxa-", "xoxa-" + "a" * 11 + "-", "xoxe.xoxp-1-a"),
    "slack-app-token": ("xapp-1-", "xapp-1-aaaaaaaaa "),
    "slack-webhook": ("hooks.slack.com/services/ ", "hooks.slack.com/triggers/aaaaaaaaaaaaaaaaaaa "),
    "stripe-key": ("sk_live_", "rk_test_" + "a" * 15 + " ", "whsec_ "),
    "api-key": ("sk-", "sk-ant-", "sk-" + "a" * 31 + " ", "sk-proj-" + "A-" * 9 + " "),
    "google-key": ("AIza" + "a" * 34 + " ", "ya29.", "GOCSPX- "),
    "npm-token": ("npm_", "npm_" + "a" * 35 + " "),
    "pypi-token": ("pypi-AgE", "py" + "pi-AgEIcHlwaS5vcmc" + "a" * 49 + " "),
    "huggingface-token": ("hf_", "hf_" + "a" * 35 + " ", "api_org_"),
    "sendgrid-key": ("SG.", "SG." + "a" * 22 + ".", "SG." + "a" * 22 + "." + "a" * 42 + " "),
    "discord-token": ("M.", "M" + "a" * 23 + ".aaaaaa.", "N" * 30, "O" + "a" * 25 + ".aaaaaa." + "a" * 26 + " "),
    "discord-webhook": ("discord.com/api/", "discord.com/api/webhooks/" + "1" * 17 + "/" + "a" * 59 + " "),
    "netrc": ("password ", "machine a login b ", "machine ", "default login "),
    "vault-token": ("s.", "s." + "a" * 23 + "1" + "a ", "s.s", "hvs.", "hvs." + "a" * 23 + " "),
    "grafana-token": ("glsa_" + "a" * 32, "glc_", "glc_" + "a" * 31 + " "),
    "digitalocean-token": ("dop_v1_", "dop_v1_" + "a" * 63 + " "),
    "shopify-token": ("shpat_", "shpat_" + "a" * 31 + " "),
    "docker-token": ("dckr_pat_", "dckr_pat_" + "a" * 26 + " "),
    "databricks-token": ("dapi", "dapi" + "a" * 33 + " "),
    "twilio-key": ("SK", "AC" + "a" * 33 + " "),
    "square-token": ("sq0atp-", "EAAA", "EAAA" + "a" * 21 + " "),
    "mailgun-key": ("key-", "key-" + "a" * 33 + " "),
    "mailgun-signature": ("mailgun", "mailgun        ", "mailgun: " + "a" * 32 + "-"),
    "new-relic-key": ("NRAK-", "NRAK-" + "a" * 18 + " "),
    "azure-secret": (
        "abc8Q~",
        "8Q~",
        "abc8Q~" + "a" * 35 + " ",
        "sig=",
        "sig=" + "a" * 90 + " ",
        "sig=" + "%3D" * 14 + "a ",
    ),
    "telegram-token": ("1:a", "123456789012:A" + "a" * 33 + " ", "bot"),
    "json-web-token": ("eyJ", "eyJaaaaaaaa-", "eyJ" + "a" * 16 + " "),
    "iban": ("DE", "DE89 3704 0044 0532 0130 01 ", "A", "LC12" + " 1234" * 6),
    "bearer": (
        "bearer    ",
        "bearer " + "a" * 50 + " ",
        "basic " + "Aa" * 100 + " ",
        "authorization: " + "a" * 300 + " ",
    ),
    "connection-string": ("a.", "a://b:c", "a://" + "b" * 16, "a:" + "b" * 250 + " ", "jdbc:oracle:thin:a/b "),
    "cookie": ("cookie", "cookie: ", "cookie: a=", "cookie='", "cookie: a=b;", "cookie: " + "a" * 63 + " "),
    "command-line": ("--", "--password ", "--token -", "-u a:", "-u a"),
    "assignment": (
        "password",
        'password="',
        "password='",
        'password=\\"',
        "password = \n",
        "passphrase:",
        "secret key",
        "token:",
        "token: " + "a" * 40 + " ",
        'password="\\',
        "pwd=[",
        "pwd={",
        "client_",
        "[REDACTED:",
        '"auth":"',
        "pass=",
        "pw = ",
        "credentials",
        "pwd    ",
        "master key:  1234",
    ),
}
"""For each detector, texts that begin like what it knows over and over and never become it, or always do."""

MEGABYTE = 2**20


def test_every_detector_has_hostile_texts() -> None:
    """Every detector has hostile texts."""
    assert list(HOSTILE) == list(DETECTORS)


def test_joined_hostile_texts_are_cleaned() -> None:
    """A megabyte of all hostile texts joined holds no secret after redaction."""
    units = [unit for texts in HOSTILE.values() for unit in texts]
    text = "".join(unit * (MEGABYTE // len(units) // len(unit)) for unit in units)
    assert find_secret(redact_secrets(text)) is None
