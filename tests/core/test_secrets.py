import hashlib
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core import secrets
from c2lib.core.secrets import find_secret, redact_secrets

# each example is put together from pieces, so that no scanner takes this file for a leak
DASHES = "-" * 5
LETTERS = "Ab3" * 12
EXAMPLES = {
    "private-key": f"{DASHES}BEGIN RSA PRIVATE KEY{DASHES}\nMII-{LETTERS}\n{DASHES}END RSA PRIVATE KEY{DASHES}",
    "aws-key-id": "AK" + "IA" + "QWERTYUIOP012345",
    "github-token": "gh" + "p_" + LETTERS,
    "slack-token": "xo" + "xb-1234567890-" + LETTERS,
    "api-key": "sk" + "_live_" + LETTERS,
    "json-web-token": ".".join(("ey" + "J" + LETTERS, "ey" + "J" + LETTERS, LETTERS)),
    "bearer": "Bea" + "rer " + LETTERS,
    "connection-string": "postgres" + "://trader:" + "hunter2" + "@db.example/prod",
    "assignment": "api" + "_key=" + "hunter2hunter2",
}

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
    "risk-test-plan",
    "ticket: ABCD-1234",
    hashlib.sha256(b"c2lib").hexdigest(),
    hashlib.sha1(b"c2lib").hexdigest(),
    "o-00000001 f-00000001 BUY SELL MAKER TAKER",
    "C2_REJECT_SECRET_IN_CONFIG",
    "[REDACTED:assignment]",
)


def test_every_detector_has_an_example() -> None:
    """No detector goes untried."""
    assert [name for name, _ in secrets._DETECTORS] == list(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_detector_finds_its_own_example(name: str) -> None:
    """By itself, and in the midst of a sentence."""
    assert find_secret(EXAMPLES[name]) == name
    assert find_secret(f"at bar 7 the log said: {EXAMPLES[name]} and went on") == name


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_found_is_replaced_whole(name: str) -> None:
    """Nothing of the secret is left, and nothing around it is lost."""
    assert redact_secrets(EXAMPLES[name]) == f"[REDACTED:{name}]"
    assert redact_secrets(f"before\n{EXAMPLES[name]} after") == f"before\n[REDACTED:{name}] after"


@pytest.mark.parametrize("name", ["github-token", "slack-token", "api-key", "json-web-token", "bearer", "assignment"])
def test_a_long_secret_leaves_no_tail(name: str) -> None:
    """However long it is, its last characters go as well."""
    assert redact_secrets(EXAMPLES[name] + "Z" * 5000) == f"[REDACTED:{name}]"


@pytest.mark.parametrize("name", ["aws-key-id", "github-token", "slack-token", "api-key", "json-web-token"])
def test_a_token_behind_an_underscore_is_found(name: str) -> None:
    """A run id made of a word and a token is no hiding place."""
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
def test_an_assignment_is_found_in_many_spellings(text: str) -> None:
    """Names of secrets in the spellings of shells, JSON and YAML; the value goes whole, spaces in quotes included."""
    assert find_secret(text) == "assignment"
    redacted = redact_secrets(text)
    assert not re.search("hunter2|horse|battery", redacted)


def test_a_private_key_that_is_cut_off_goes_whole() -> None:
    """Without its last line, everything behind the first one is taken out."""
    text = EXAMPLES["private-key"].partition(f"{DASHES}END")[0]
    assert redact_secrets("x " + text) == "x [REDACTED:private-key]"


def test_two_secrets_are_both_taken_out() -> None:
    """Finding one does not hide the other."""
    text = f"{EXAMPLES['aws-key-id']} then {EXAMPLES['github-token']}"
    assert redact_secrets(text) == "[REDACTED:aws-key-id] then [REDACTED:github-token]"


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_texts_are_left_alone(text: str) -> None:
    """What a session writes all day is no secret."""
    assert find_secret(text) is None
    assert redact_secrets(text) == text


@settings(max_examples=60)
@given(st.binary(max_size=40))
def test_no_hash_is_taken_for_a_secret(data: bytes) -> None:
    """Nothing is guessed from entropy."""
    assert find_secret(hashlib.sha256(data).hexdigest()) is None


@settings(max_examples=60)
@given(st.lists(st.sampled_from([*EXAMPLES.values(), *ORDINARY, " ", "=", '"', "-", "://", "@"]), max_size=6))
def test_what_was_redacted_is_clean(pieces: list[str]) -> None:
    """Redacting leaves nothing to find, however secrets and texts are strung together."""
    redacted = redact_secrets(" ".join(pieces))
    assert find_secret(redacted) is None
    assert redact_secrets(redacted) == redacted


HOSTILE = (
    "-",
    "-" * 5 + "BEGIN ",
    "-" * 5 + "BEGIN PRIVATE KEY" + "-" * 5 + " ",
    "ey" + "Jaaaaaaaa-",
    "ey" + "Jaaaaaaaa.ey" + "Jaaaaaaaa-",
    "a.",
    "a://b:c",
    "pass" + "word",
    "pass" + 'word="',
    "bearer    ",
    "gh" + "p_" + "A" * 19 + " ",
    "sk" + "-live-",
    " ",
)
"""Texts that begin like a secret over and over and never become one, or always do."""


def seconds(text: str) -> float:
    """Return the processor seconds of taking secrets out of ``text``; the lesser of two, since load only adds."""
    times = []
    for _ in range(2):
        start = time.process_time()
        redact_secrets(text)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_is_scanned_in_linear_time(unit: str) -> None:
    """Sixteen times the text takes about sixteen times as long, where a quadratic scan would take 256 times."""
    small, large = unit * (2**14 // len(unit)), unit * (2**18 // len(unit))
    assert seconds(large) < 80 * seconds(small) + 0.05


def test_a_megabyte_of_every_hostility_is_done_with() -> None:
    """All of them strung together come out clean."""
    text = "".join(unit * (2**20 // len(HOSTILE) // len(unit)) for unit in HOSTILE)
    assert find_secret(redact_secrets(text)) is None
