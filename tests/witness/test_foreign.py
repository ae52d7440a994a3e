"""The runbook's contract: how its lines are read, and what is listed as unchecked."""

from collections import Counter

import pytest

from c2lib.core.canon import CanonicalFormError
from c2lib.core.vocabulary import Artifact
from c2lib.witness.findings import Findings
from c2lib.witness.foreign import (
    MAX_NAMES,
    OTHERS,
    FloatText,
    RunbookFile,
    count_name,
    keeps_runbook_contract,
    text_of,
)
from c2lib.witness.lines import JsonError, RunName

OWN_AUDIT, OTHER_AUDIT = b'{"entry_hash":"x","seq":0}', b'{"level":"INFO","seq":0}'
OWN_SNAPSHOT, OTHER_SNAPSHOT = b'{"phase":"INIT","status":"INIT"}', b'{"status":"INIT"}'


@pytest.mark.parametrize(
    ("audit", "snapshot", "other"),
    [
        (OTHER_AUDIT, OTHER_SNAPSHOT, True),
        (OTHER_AUDIT, None, True),
        (None, OTHER_SNAPSHOT, True),
        (OTHER_AUDIT, b"damaged", True),
        (b'{"seq":0,"x":1.5}', OTHER_SNAPSHOT, True),
        (OWN_AUDIT, OTHER_SNAPSHOT, False),
        (OTHER_AUDIT, OWN_SNAPSHOT, False),
        (OTHER_AUDIT, b'{"schema_version":"C2_DRYRUN_STATE_V1"}', False),
        (b'{"prev_hash":null}', OTHER_SNAPSHOT, False),
        (None, None, False),
        (b"[]", b"damaged", False),
        (b"{}", b"", False),
    ],
)
def test_own_field_decides_the_contract(audit: bytes | None, snapshot: bytes | None, other: bool) -> None:
    """A field that only c2lib's contract has, or an unreadable line, holds a directory to c2lib's contract."""
    assert keeps_runbook_contract(audit, snapshot) is other


@pytest.mark.parametrize("line", ['{"a":1.50,"b":[1e-07,{"c":-0.0}]}', '{"z":null,"ä":"ü"}', "[true,9]"])
def test_float_keeps_its_text(line: str) -> None:
    """The canonical text of a float is the text that the other program wrote."""
    check = RunbookFile(Artifact.EVENTS, Findings())
    assert text_of(check.parse(line.encode())) == line


@pytest.mark.parametrize("line", ['{"a":1e999' + "9" * 400 + "}", '{"a":NaN}', '{"a":' + "9" * 30 + "}"])
def test_numbers_are_bounded(line: str) -> None:
    """A float of too many characters, NaN and an integer of too many digits are no strict JSON."""
    with pytest.raises(JsonError):
        RunbookFile(Artifact.EVENTS, Findings()).parse(line.encode())


def test_text_has_contract_bounds() -> None:
    """An integer of 2**53 and text that is not in NFC have no canonical text."""
    for value in (2**53, "a\u0308", {"a\u0308": 1}):
        with pytest.raises(CanonicalFormError):
            text_of({"a": [value]})


def test_float_breaks_text_field() -> None:
    """A float in the place of a text or an integer breaks the contract."""
    findings = Findings()
    check = RunbookFile(Artifact.SNAPSHOTS, findings, RunName())
    line = b'{"run_id":1.5,"status":"INIT","step":1.0,"strategy_id":"s"}'
    assert check.value(1, line) is None
    assert {finding.expected for finding in findings.all()} == {
        "field run_id by the contract",
        "field step by the contract",
    }


def test_missing_required_field_is_found() -> None:
    """A missing required field is a finding, and missing optional or additional fields are listed as unchecked."""
    findings = Findings()
    check = RunbookFile(Artifact.METRICS, findings, RunName())
    line = (
        b'{"audit_events":1,"elapsed":0.5,"events_emitted":0,"run_id":"r","sink_retries":0,"status":"FAILED",'
        b'"strategy_id":"s"}'
    )
    assert check.value(1, line) is not None
    assert findings.all() == ()
    told = list(check.unchecked())
    assert told[0].startswith("metrics.json has no faults_injected_total, fills_total")
    assert told[1:] == [
        "metrics.json has fields that the contract does not: elapsed",
        "metrics.json has 1 floats: how they are written, and what they add up to",
    ]
    assert check.value(2, b'{"strategy_id":"s"}') is None
    assert [finding.seen for finding in findings.all()] == ["is missing"] * 5


def test_empty_file_lists_no_fields() -> None:
    """An empty file lists no missing fields as unchecked."""
    assert list(RunbookFile(Artifact.AUDIT, Findings()).unchecked()) == []


def test_counted_names_are_bounded() -> None:
    """The first names that another program uses are counted by name, and the rest together."""
    counts: Counter[str] = Counter()
    for number in range(3 * MAX_NAMES):
        count_name(counts, f"w{number}")
        count_name(counts, "w0")
    assert len(counts) == MAX_NAMES + 1
    assert (counts["w0"], counts[OTHERS]) == (3 * MAX_NAMES + 1, 2 * MAX_NAMES)


def test_strange_fields_forge_no_line() -> None:
    """The names of additional fields are listed as one bounded line of ASCII."""
    check = RunbookFile(Artifact.METRICS, Findings())
    check.value(1, b'{"a":1,"b\\nSEALED OK":1,"run_id":"r","strategy_id":"s"}')
    assert list(check.unchecked())[1].endswith(": a, b\\nSEALED OK")
    check.value(2, b'{"' + b"X" * 500 + b'":1,"run_id":"r","strategy_id":"s"}')
    assert len(list(check.unchecked())[1].rpartition(": ")[2]) == 200


def test_lone_float_keeps_its_text() -> None:
    """The canonical text of a single float is the text that was read."""
    assert text_of(FloatText("2.50")) == "2.50"
