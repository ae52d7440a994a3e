import hashlib
import json
import re
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c2lib.core.canon import (
    CanonicalFormError,
    canonical_json,
    canonical_sha256,
    component_seed,
    run_digest,
    sha256_hex,
    text_problem,
)
from tests.core.event_ids import event_id

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda text: text_problem(text) is None)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def plain_sha256(value: Any) -> str:
    """Hash the way another program would, with nothing of c2lib."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def test_canonical_json_is_compact() -> None:
    """Canonical JSON sorts keys by code point, has no blanks and escapes only what JSON requires."""
    value = {"z": [1, -2, {"é": 'ü\n"\\'}], "A": None, "a": True, "€": ""}
    assert canonical_json(value) == '{"A":null,"a":true,"z":[1,-2,{"é":"ü\\n\\"\\\\"}],"€":""}'


@settings(max_examples=60)
@given(VALUES)
def test_canonical_json_round_trips(value: Any) -> None:
    """Canonical JSON is one line that reads back as the same value and is then written as the same text."""
    text = canonical_json(value)
    back = json.loads(text)
    assert back == value
    assert canonical_json(back) == text
    assert "\n" not in text


def test_equal_values_have_one_text() -> None:
    """Equal values have one canonical text, whatever the order of keys or the kind of sequence or mapping."""
    one = canonical_json({"a": [1, 2], "b": {"c": None}})
    assert canonical_json({"b": MappingProxyType({"c": None}), "a": (1, 2)}) == one


def test_integer_enum_is_a_number() -> None:
    """An integer enum is written as its number in canonical JSON."""

    class Number(IntEnum):
        SEVEN = 7

    assert canonical_json([Number.SEVEN]) == "[7]"


@pytest.mark.parametrize(
    ("value", "path", "problem"),
    [
        (1.0, "$", "float"),
        ({"a": [0, float("nan")]}, "$.a[1]", "float"),
        (float("inf"), "$", "float"),
        ({"a": {"b": 2**53}}, "$.a.b", "2**53"),
        ([-(2**53)], "$[0]", "2**53"),
        ({"a": "e\u0301"}, "$.a", "NFC"),
        (["x", "\ud800"], "$[1]", "surrogate"),
        ({"\udfff": 1}, "$", "surrogate"),
        ({"e\u0301": 1}, "$", "NFC"),
        ({"a": {1: 2}}, "$.a", "not text"),
        ({None: 2}, "$", "not text"),
        ({b"a": 2}, "$", "not text"),
        ({"a": b"bytes"}, "$.a", "bytes"),
        ({"a": {1, 2}}, "$.a", "set"),
        ([object()], "$[0]", "object"),
    ],
)
def test_value_without_form_is_refused(value: Any, path: str, problem: str) -> None:
    """A value without a canonical form raises an error that names the place of the value and the problem."""
    with pytest.raises(CanonicalFormError, match=rf"^{re.escape(path)}: .*{re.escape(problem)}"):
        canonical_json(value)


@pytest.mark.parametrize("number", [2**53 - 1, -(2**53) + 1])
def test_largest_integers_are_written(number: int) -> None:
    """The largest integers below 2**53 in magnitude are written in canonical JSON."""
    assert canonical_json(number) == str(number)


def nested(depth: int) -> Any:
    """Return ``depth`` lists, one inside another, around nothing."""
    value: Any = None
    for _ in range(depth):
        value = [value]
    return value


def test_nesting_is_bounded() -> None:
    """Canonical JSON takes 64 levels of nesting and refuses more without a RecursionError."""
    assert canonical_json(nested(64)) == "[" * 64 + "null" + "]" * 64
    for depth in (65, 1000):
        with pytest.raises(CanonicalFormError, match="nested deeper than 64"):
            canonical_json(nested(depth))


@pytest.mark.parametrize("text", ["", "plain", "tab\tand\x00nul", "ü €", "日本", "\U0001f600", "\u2028"])
def test_ordinary_text_has_no_problem(text: str) -> None:
    """Any text in NFC that UTF-8 can carry may stand in an artifact."""
    assert text_problem(text) is None


@pytest.mark.parametrize(
    ("kind", "ts_sim", "payload", "expected"),
    [
        (
            "SESSION_START",
            0,
            {"clock_mode": "fixed"},
            "f4c46d4318ed7fd625b8c3ce95cb0eb260ea42d163885c59e583d7da55ca1f76",
        ),
        ("SESSION_STOP", 2, {"result": "ok"}, "1042425a909514117c930bc5268d0d558251b1a3de508b23ff11c898b9b94c1d"),
    ],
)
def test_event_id_matches_foreign_ids(kind: str, ts_sim: int, payload: dict[str, Any], expected: str) -> None:
    """Event ids equal two ids that another program computed."""
    assert event_id("run_demo_001", "strat_demo", kind, ts_sim, payload) == expected


@settings(max_examples=30)
@given(TEXTS, TEXTS, TEXTS, st.integers(0, 2**53 - 1), st.dictionaries(TEXTS, VALUES, max_size=3))
def test_event_id_hashes_six_keys(run: str, strategy: str, kind: str, ts_sim: int, payload: dict[str, Any]) -> None:
    """An event id is the SHA-256 of the sorted JSON of six keys."""
    preimage = {
        "kind": "c2_dryrun_event",
        "run_id": run,
        "strategy_id": strategy,
        "event_type": kind,
        "ts_sim": ts_sim,
        "payload": payload,
    }
    assert event_id(run, strategy, kind, ts_sim, payload) == plain_sha256(preimage)


def test_run_digest_covers_manifest() -> None:
    """run_digest changes with every field of the manifest except the field run_digest."""
    manifest = {
        "schema_version": "C2_RUN_MANIFEST_V1",
        "run_id": "r",
        "status": "COMPLETED",
        "audit": {"entries": 2, "last_hash": "f" * 64},
    }
    golden = "1901fb9faadaec7a712594e274859f38dec76adc13205f19b7c5c8ce9017059f"
    assert plain_sha256(manifest) == golden
    assert run_digest(manifest) == golden
    assert run_digest({**manifest, "run_digest": "0" * 64}) == golden
    for key in manifest:
        assert run_digest({**manifest, key: "changed"}) != golden


@pytest.mark.parametrize(
    ("seed", "component", "expected"),
    [
        (123, "market", 4332913867577872864),
        (123, "strategy", 2160606959213368466),
        (0, "broker", 5457007118743272090),
        (-7, "é", 12628832099666556725),
    ],
)
def test_component_seed_begins_a_hash(seed: int, component: str, expected: int) -> None:
    """A component seed is the first eight bytes, big-endian, of the SHA-256 of seed, bar and component name."""
    digest = hashlib.sha256(f"{seed}|{component}".encode()).hexdigest()
    assert int(digest[:16], 16) == expected
    assert component_seed(seed, component) == expected


def test_hashes_use_utf8_bytes() -> None:
    """sha256_hex gives the published test vector, and canonical_sha256 hashes UTF-8 bytes."""
    assert sha256_hex(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert canonical_sha256("ü") == hashlib.sha256(b'"\xc3\xbc"').hexdigest()
