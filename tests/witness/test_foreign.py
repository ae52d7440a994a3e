"""The runbook's contract: how its lines are read, and what is noted as unchecked."""

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
def test_one_field_of_c2libs_own_holds_every_file_to_its_contract(
    audit: bytes | None, snapshot: bytes | None, other: bool
) -> None:
    """And so does a directory of which nothing can be told."""
    assert keeps_runbook_contract(audit, snapshot) is other


@pytest.mark.parametrize("line", ['{"a":1.50,"b":[1e-07,{"c":-0.0}]}', '{"z":null,"ä":"ü"}', "[true,9]"])
def test_a_float_keeps_its_text(line: str) -> None:
    """Whichever program wrote it."""
    check = RunbookFile(Artifact.EVENTS, Findings())
    assert text_of(check.parse(line.encode())) == line


@pytest.mark.parametrize("line", ['{"a":1e999' + "9" * 400 + "}", '{"a":NaN}', '{"a":' + "9" * 30 + "}"])
def test_a_number_has_its_bounds(line: str) -> None:
    """No text of a number is kept that is longer than any number needs."""
    with pytest.raises(JsonError):
        RunbookFile(Artifact.EVENTS, Findings()).parse(line.encode())


def test_an_integer_of_the_line_keeps_the_contracts_bound() -> None:
    """Below 2**53, and text in one normal form."""
    for value in (2**53, "a\u0308", {"a\u0308": 1}):
        with pytest.raises(CanonicalFormError):
            text_of({"a": [value]})


def test_a_float_is_no_text_and_no_integer() -> None:
    """Where the contract asks for either."""
    findings = Findings()
    check = RunbookFile(Artifact.SNAPSHOTS, findings, RunName())
    line = b'{"run_id":1.5,"status":"INIT","step":1.0,"strategy_id":"s"}'
    assert check.value(1, line) is None
    assert {finding.expected for finding in findings.all()} == {
        "field run_id by the contract",
        "field step by the contract",
    }


def test_what_must_be_there_is_asked_for_and_what_may_be_is_noted() -> None:
    """A field that is missing or strange is said, and is no finding."""
    findings = Findings()
    check = RunbookFile(Artifact.METRICS, findings, RunName())
    assert check.value(1, b'{"elapsed":0.5,"run_id":"r","strategy_id":"s"}') is not None
    assert findings.all() == ()
    told = list(check.unchecked())
    assert told[0].startswith("metrics.json has no audit_events, events_emitted")
    assert told[1:] == [
        "metrics.json has fields that the contract does not: elapsed",
        "metrics.json has 1 floats: how they are written, and what they add up to",
    ]
    assert check.value(2, b'{"strategy_id":"s"}') is None
    assert [finding.seen for finding in findings.all()] == ["is missing"]


def test_nothing_is_said_of_a_file_without_a_line() -> None:
    """What is missing of it has a finding of its own."""
    assert list(RunbookFile(Artifact.AUDIT, Findings()).unchecked()) == []


def test_words_of_another_program_do_not_fill_the_memory() -> None:
    """The first are counted by name, the rest together."""
    counts: Counter[str] = Counter()
    for number in range(3 * MAX_NAMES):
        count_name(counts, f"w{number}")
        count_name(counts, "w0")
    assert len(counts) == MAX_NAMES + 1
    assert (counts["w0"], counts[OTHERS]) == (3 * MAX_NAMES + 1, 2 * MAX_NAMES)


def test_strange_fields_forge_no_line() -> None:
    """They are listed as one bounded line of ASCII."""
    check = RunbookFile(Artifact.METRICS, Findings())
    check.value(1, b'{"a":1,"b\\nSEALED OK":1,"run_id":"r","strategy_id":"s"}')
    assert list(check.unchecked())[1].endswith(": a, b\\nSEALED OK")
    check.value(2, b'{"' + b"X" * 500 + b'":1,"run_id":"r","strategy_id":"s"}')
    assert len(list(check.unchecked())[1].rpartition(": ")[2]) == 200


def test_a_float_that_stands_alone_is_its_text() -> None:
    """Also where no object is around it."""
    assert text_of(FloatText("2.50")) == "2.50"
