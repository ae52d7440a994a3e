"""The detectors: what they find, in every published shape; what they leave alone; and in what time."""

import hashlib
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core import redaction
from c2lib.core.redaction import DETECTORS, find_secret, is_redacted, redact_secrets, redact_whole
from tests.core.planted import EXAMPLES, SHAPES

PAGE = Path(__file__).parents[2] / "docs" / "secrets.md"
LETTERS = "Ab3" * 12

ORDINARY = (
    "",
    "run_demo_001",
    "dry-e84563c571df",
    "strat_demo",
    "sma_cross: fast 10 over slow 30",
    "2026-01-01T00:00:00+00:00",
    "2026-01-01T09:30:00.000001+00:00",
    "1.0716",
    "-0.25",
    "BTC/USD:perp",
    "EURUSD=X",
    "buy 3 lots at 101.25, stop 99.75; take profit 104",
    "https://example.org/path?x=1",
    "http://localhost:8888/lab",
    "mailto:someone@example.org",
    "the secret of a good fill is patience",
    "passwords are never logged",
    "basic reconcile",
    "basic instrumentation of strategies",
    "a basic LiveSessionOrchestrator",
    "basic reconcile-2026-01-01T00:00:00",
    "the bearer counterparties-and-certificates",
    "basic auth, bearer tokens and passwords are words",
    "token: USDC",
    "token=0xdAC17F958D2ee523a2206206994597C13D831ec7",
    "0xdAC17F958D2ee523a2206206994597C13D831ec7",
    "key: close, value: 1.0716",
    "secret",
    "password: ''",
    "http://localhost:4873/@scope/package",
    "ssh://git@github.com/owner/repo",
    "user@example.org",
    "12:30:45",
    "1700000000:ASK",
    "task-force-of-the-desk, risk-live-limits",
    "market.symbol looks like a secret; take it out of the config",
    "risk-test-plan",
    "ticket: ABCD-1234",
    hashlib.sha256(b"c2lib").hexdigest(),
    hashlib.sha1(b"c2lib").hexdigest(),
    "o-00000001 f-00000001 BUY SELL MAKER TAKER",
    "C2_REJECT_SECRET_IN_CONFIG",
    "[REDACTED:assignment]",
)


def test_every_detector_has_an_example() -> None:
    """Every secret detector has a source, hints and a planted example."""
    assert list(DETECTORS) == list(EXAMPLES)
    assert all(detector.source and detector.hints for detector in DETECTORS.values())


@pytest.mark.parametrize("name", EXAMPLES)
def test_detector_finds_its_example(name: str) -> None:
    """Each detector finds its own example, alone and inside a sentence."""
    assert find_secret(EXAMPLES[name]) == name
    assert find_secret(f"at bar 7 the log said: {EXAMPLES[name]} and went on") == name


@pytest.mark.parametrize("name", EXAMPLES)
def test_found_secret_is_replaced_whole(name: str) -> None:
    """A found secret is replaced whole, and the text around the secret stays."""
    assert redact_secrets(EXAMPLES[name]) == f"[REDACTED:{name}]"
    assert redact_secrets(f"before\n{EXAMPLES[name]} after") == f"before\n[REDACTED:{name}] after"


@pytest.mark.parametrize("name", ["github-token", "slack-token", "api-key", "json-web-token", "bearer", "assignment"])
def test_long_secret_leaves_no_tail(name: str) -> None:
    """A secret of 5,000 more characters is replaced to its last character."""
    assert redact_secrets(EXAMPLES[name] + "Z" * 5000) == f"[REDACTED:{name}]"


@pytest.mark.parametrize("shape", SHAPES)
def test_published_shape_is_replaced_whole(shape: str) -> None:
    """Every published shape of a secret is redacted in any context, and no half of the secret is left."""
    text, core = SHAPES[shape]
    for context in ("{}", "at bar 7: {} and on", 'said "{}"', "run_{}", "\n{}\n"):
        if shape.startswith(("netrc", "command line", "mysql")) and context.startswith("run_"):
            continue
        redacted = redact_secrets(context.format(text))
        assert is_redacted(redacted)
        assert core not in redacted
        assert core[: len(core) // 2] not in redacted
        assert core[len(core) // 2 :] not in redacted


@pytest.mark.parametrize("shape", SHAPES)
def test_every_match_holds_a_hint(shape: str) -> None:
    """Every text that a detector's pattern matches holds one of the detector's hints."""
    text, _ = SHAPES[shape]
    for variant in (text, text.upper(), text.lower()):
        for detector in DETECTORS.values():
            match = re.search(detector.pattern, variant, re.ASCII)
            assert match is None or any(hint in match[0].lower() for hint in detector.hints)


def test_bounded_field_is_replaced_whole() -> None:
    """redact_whole replaces a text that holds a secret by the redaction mark alone and keeps a plain text."""
    assert redact_whole(f"{'x' * 999} pass" + "wd=abc") == "[REDACTED:assignment]"
    assert redact_whole("plain") == "plain"


def test_unstable_text_is_replaced_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text whose redaction never settles is replaced whole."""
    restless = (("x", ("red",), re.compile("R(?=EDACTED)")),)
    monkeypatch.setattr(redaction, "_COMPILED", restless)
    assert redact_secrets("RED" + "ACTED") == "[REDACTED:text]"


@pytest.mark.parametrize("name", ["aws-key-id", "github-token", "slack-token", "api-key", "json-web-token"])
def test_token_after_underscore_is_found(name: str) -> None:
    """A token behind an underscore, as in a run_id, is found."""
    assert find_secret(f"run_{EXAMPLES[name]}") == name


@pytest.mark.parametrize(
    "text",
    [
        "pass" + "word: hunter2",
        '{"pass' + 'word": "hunter2"}',
        "PASS" + "WORD = hunter2",
        "db_pass" + "wd=hunter2",
        "x" * 60 + "_pass" + "word=hunter2",
        "pass" + "phrase='correct horse battery'",
        "pass" + 'phrase="correct horse battery"',
        "SECRET" + "_KEY=hunter2",
        "client" + "Secret=hunter2",
        "AWS_SECRET" + "_ACCESS_KEY=hunter2",
        "private" + "-key=hunter2",
        "access" + "_token:hunter2",
    ],
)
def test_assignment_spellings_are_found(text: str) -> None:
    """Secret assignments in the spellings of shells, JSON and YAML are found and their values replaced whole."""
    assert find_secret(text) == "assignment"
    redacted = redact_secrets(text)
    assert not re.search("hunter2|horse|battery", redacted)


def test_cut_private_key_is_replaced() -> None:
    """A private key without its last line is replaced from its first line to the end."""
    text = EXAMPLES["private-key"].partition("-----END")[0]
    assert redact_secrets("x " + text) == "x [REDACTED:private-key]"


def test_two_secrets_are_replaced() -> None:
    """Each of two secrets in one text is replaced by the mark of its own detector."""
    text = f"{EXAMPLES['aws-key-id']} then {EXAMPLES['github-token']}"
    assert redact_secrets(text) == "[REDACTED:aws-key-id] then [REDACTED:github-token]"


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_texts_are_kept(text: str) -> None:
    """Ordinary texts of a session are not found as secrets and stay unchanged."""
    assert find_secret(text) is None
    assert redact_secrets(text) == text


@settings(max_examples=60)
@given(st.binary(max_size=40))
def test_hash_is_no_secret(data: bytes) -> None:
    """A SHA-256 hash is never found as a secret."""
    assert find_secret(hashlib.sha256(data).hexdigest()) is None


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([*EXAMPLES.values(), *ORDINARY, " ", "=", '"', "-", "://", "@", ": ", "]"]), max_size=6)
)
def test_redacted_text_is_clean(pieces: list[str]) -> None:
    """A redacted text holds no further secret, however secrets and texts were joined."""
    redacted = redact_secrets(" ".join(pieces))
    assert find_secret(redacted) is None
    assert redact_secrets(redacted) == redacted


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
    "gitlab-token": ("gl", "glpat-" + "a" * 19 + " "),
    "slack-token": ("xoxb-123456789 ", "xapp-1-", "hooks.slack.com/services/ "),
    "api-key": ("sk-", "sk-live-", "sk-" + "a" * 31 + " ", "whsec_ "),
    "google-key": ("AIza" + "a" * 34 + " ", "ya29.", "GOCSPX- "),
    "telegram-token": ("1:a", "123456789012:A" + "a" * 33 + " ", "bot"),
    "json-web-token": ("eyJ", "eyJaaaaaaaa-", "eyJ" + "a" * 16 + " "),
    "bearer": (
        "bearer    ",
        "bearer " + "a" * 50 + " ",
        "basic " + "Aa" * 100 + " ",
        "authorization: " + "a" * 300 + " ",
    ),
    "connection-string": ("a.", "a://b:c", "a://" + "b" * 16, "a:" + "b" * 250 + " ", "jdbc:oracle:thin:a/b "),
    "netrc": ("password ", "machine a login b ", "machine ", "default login "),
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
    ),
}
"""For each detector, texts that begin like what it knows over and over and never become it, or always do."""

MEGABYTE = 2**20

BETWEEN = 24
"""Times as long, for eight times the text: a factor of three from both, so that a busy machine decides nothing."""


def seconds(text: str) -> float:
    """Return the processor seconds of taking secrets out of ``text``; the lesser of two, since load only adds."""
    times = []
    for _ in range(2):
        start = time.process_time()
        redact_secrets(text)
        times.append(time.process_time() - start)
    return min(times)


def test_every_detector_has_hostile_texts() -> None:
    """Every detector has hostile texts for the measurement of its time."""
    assert list(HOSTILE) == list(DETECTORS)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_linear_time(name: str) -> None:
    """A megabyte of hostile text for each detector is redacted in linear time."""
    hints = " ".join(DETECTORS[name].hints)
    share = MEGABYTE // len(HOSTILE[name])
    part, whole = (
        hints + "".join(unit * (size // len(unit)) for unit in HOSTILE[name]) for size in (share // 8, share)
    )
    assert len(whole) > 0.95 * MEGABYTE
    assert seconds(whole) < BETWEEN * seconds(part) + 0.05


def test_quadratic_pattern_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The measurement of linear time fails for a pattern that takes quadratic time."""
    monkeypatch.setattr(redaction, "_COMPILED", (("x", ("a",), re.compile("a[^b]*b")),))
    assert seconds("a" * 2**15) > BETWEEN * seconds("a" * 2**12) + 0.05


def test_joined_hostile_texts_are_cleaned() -> None:
    """A megabyte of all hostile texts joined holds no secret after redaction."""
    units = [unit for texts in HOSTILE.values() for unit in texts]
    text = "".join(unit * (MEGABYTE // len(units) // len(unit)) for unit in units)
    assert find_secret(redact_secrets(text)) is None


def test_page_names_every_detector() -> None:
    """The page about secrets keeps silent about no detector."""
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in DETECTORS if f"`{name}`" not in text] == []
