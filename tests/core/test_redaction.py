"""The detectors: what they find, in every published shape; what they leave alone; and in what time."""

import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core import redaction
from c2lib.core.redaction import DETECTORS, find_secret, is_redacted, redact_secrets, redact_whole
from c2lib.core.sealed import MAX_TEXT
from tests.core.planted import EXAMPLES, SHAPES

PAGE = Path(__file__).parents[2] / "docs" / "secrets.md"

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
    "kafka://broker1:9092,broker2@topic",
    "kafka://broker1:9092,broker2:9092,broker3:9092@ticks",
    "glft-market-making-strategy-v2-long",
    "glft-Market-Making-Strategy-V2-Long",
    "gldt-grid-long-daily-trend-2024",
    "glrt-mean-reversion-long-short-v12",
    "xoxo-trendline-breakout",
    "xoxo-2-step-trendline-breakout",
    "xoxo-trendline-breakout-2024-v3",
    "sk_test_strategy_one_two_three",
    "sk-ant-colony-optimisation-strategy",
    "pk-test-mean-reversion-long-v2",
    "gho_market_making_strategy_v2_long",
    "npm_node_package_manager_strategy_long_v2",
    "hf_high_frequency_market_making_strategy_v2",
    "hf_requiredCharacteristicTypesForDisplay2",
    "dapi-databricks-feature-store",
    "key-levels-support-resistance-2024",
    "sig=MarketMaking/long",
    "EAAA-bond-spread",
    "shpat_short_put_at_the_money_strategy_v2",
    "master key: 1.2",
    "private key: 42",
    "access key = 12345, then go",
    "PWD=/home/trader/strategies",
    "OLDPWD=/srv/data",
    'PWD="/home/trader/my strategies"',
    "PWD=~/strategies",
    "PWD=C:\\Users\\trader",
    "PWD=.\\strategies",
    "GOOGLE_APPLICATION_CREDENTIALS=/etc/keys/reader.json",
    "pass=1",
    "pass = 2.5",
    "pass=True, fail=False",
    "if pass == maximum",
    "second pass: 14 of 20 bars",
    "PASS: every criterion holds",
    '{"pass": true}',
    "low_pass=fast band-pass=slow bypass=always",
    "pw=0.25",
    "the cookie is crumbling: bars=10",
    "cookie jar",
    "session_id=run_demo_001",
    "basic instrumentation=on",
    "basic reconciliation==",
    "bearer instrumentation=on",
    "bearer instrumentation=10",
    "bearer market-making-strategy-v2",
    "a basic LiveSessionOrchestrator2",
    "bearer counterparties_and_certificates_v2",
    "token: market-making-strategy-v2-long",
    "https://market-making-strategy-v2@host/x",
    "DE0007164600",
    "DE89 3704 0044 0532 0130 01",
    "BUY 10 ES24, SELL 20 NQ24 AT MARKET 1234 5678",
    "FR14 2004 1010 0505 0001 3M02 607",
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
        if shape.startswith(("netrc", "command line", "mysql", "short name")) and context.startswith("run_"):
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


@settings(max_examples=60)
@given(st.lists(st.sampled_from([*EXAMPLES.values(), *ORDINARY]), max_size=40).map(" ".join))
def test_bounded_field_keeps_its_bound(text: str) -> None:
    """redact_whole returns no more characters than the longest text of a config field has."""
    assert len(redact_whole(text[:MAX_TEXT])) <= MAX_TEXT
    assert all(len(f"[REDACTED:{name}]") < 80 for name in DETECTORS)


def test_unstable_text_is_replaced_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text whose redaction never settles is replaced whole."""
    restless = [("x", re.compile("R(?=EDACTED)"), bool)]
    monkeypatch.setattr(redaction, "_candidates", lambda text: restless)
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


HONEST = (
    "sma_cross",
    "ema-ribbon-pullback",
    "mean_reversion_zscore_v3",
    "btcusdt-perp-funding-carry",
    "pairs-KO-PEP-kalman",
    "turtle_55_20_atr",
    "opening-range-breakout-15m",
    "vwap.reversion.es.5min",
    "grid_bot_eth_usdt_0.5pct",
    "london-session-breakout-gbpusd",
    "iron-condor-45dte-16delta",
    "MomentumRotationTop10",
    "RSI2_Connors",
    "tsmom12m1m",
    "skew-hedge",
    "avellaneda-stoikov-mm",
    "entry long, z=-2.31, stop 1.0695, take profit 1.0770",
    "exit: trailing stop 2.5*ATR(14) hit at 101.25",
    "scale-in 2/3; risk=0.5%; reason: RSI(2) < 10",
    "key level 1.0750 rejected, key: support",
    "pass 2 of 3: no signal; pw 14 bars",
    "token unlock in 3 days; tokens: 4",
    "cookie-cutter pattern, session: london",
    "secret sauce v2",
    "basic breakout / bearer of news",
    "IBKR DU1234567, account: DU1234567",
    "ISIN US0378331005, CUSIP 037833100, SEDOL 2046251",
    "/home/trader/strategies/ema_ribbon/v2/strategy.py",
    "C:\\Users\\trader\\Documents\\strategies\\breakout.py",
    "~/data/binance/futures/um/BTCUSDT-1m-2024-01.csv.gz",
    "s3://market-data/eurusd/2024/01/ticks.parquet",
    "postgresql://localhost:5432/ticks",
    "nats://127.0.0.1:4222,127.0.0.2:4222",
    "tcp://10.0.0.5:5555",
    "2024-01-02T09:30:00.000Z/PT1M",
    "user@desk.example: please look at bar 12",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "550e8400-e29b-41d4-a716-446655440000",
    "order 1a2b3c4d5e6f-0001 -> child 1a2b3c4d5e6f-0002",
)
"""Names of strategies, tags, places and ids as people write them."""


@pytest.mark.parametrize("text", HONEST)
def test_honest_texts_are_kept(text: str) -> None:
    """What people call their strategies, write into tags and keep in paths is no secret in any field."""
    for context in ("{}", "strategy_id={}", '{{"tag": "{}"}}', "file: {}", "'{}'", "run_{}", "name={};", "({})"):
        assert find_secret(context.format(text)) is None, context


WORDS = (
    "market",
    "making",
    "mean",
    "Trendline",
    "Grid",
    "long",
    "SHORT",
    "carry",
    "v2",
    "V3",
    "2024",
    "5m",
    "x",
    "BTC",
)
GIT = ("glft", "glpat", "gldt", "glrt", "ghp", "gho", "github_pat")
CHAT = ("xoxo", "xoxa", "xapp-x", "sk-ant", "sk-proj", "pk-test", "rk_live", "hf")
CLOUD = ("npm", "s", "hvs", "dapi", "key", "SG", "EAAA", "sq0csp", "NRAK", "shpat", "dckr_pat", "glc", "glsa", "dop_v1")


@settings(max_examples=200)
@given(
    st.sampled_from(GIT + CHAT + CLOUD),
    st.lists(st.sampled_from(WORDS), min_size=2, max_size=6),
    st.sampled_from("-_."),
)
def test_name_of_words_is_kept(beginning: str, words: list[str], joint: str) -> None:
    """A name that begins like a token and goes on in words is no secret, alone and behind the word basic."""
    name = joint.join([beginning, *words])
    assert find_secret(name) is None
    assert find_secret(f"basic {name}") is None


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


def test_page_names_every_detector() -> None:
    """The page about secrets keeps silent about no detector."""
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in DETECTORS if f"`{name}`" not in text] == []
