from c2lib.witness.findings import MAX_PER_FILE, FindingCode, Findings


def test_finding_has_text_and_facts() -> None:
    """A finding has a text of one line for people and a mapping of plain values for programs."""
    findings = Findings()
    findings.add(FindingCode.EVENT_ID_WRONG, "events.jsonl", 3, expected="a", seen="b", event_id="c")
    (finding,) = findings.all()
    assert finding.text() == "EVENT_ID_WRONG events.jsonl:3 expected a, seen b (event c)"
    assert finding.facts() == {
        "code": "EVENT_ID_WRONG",
        "file": "events.jsonl",
        "line": 3,
        "event_id": "c",
        "expected": "a",
        "seen": "b",
    }


def test_findings_per_file_are_capped() -> None:
    """The findings of one file are capped, and the last of that file says how many more were left out."""
    findings = Findings()
    for line in range(MAX_PER_FILE + 5):
        findings.add(FindingCode.MALFORMED_LINE, "events.jsonl", line + 1)
    findings.add(FindingCode.CHAIN_BROKEN, "audit.jsonl", 3)
    every = findings.all()
    assert len(every) == MAX_PER_FILE + 2
    assert every[-2].file == "audit.jsonl"
    assert (every[-1].code, every[-1].line, every[-1].seen) == (
        FindingCode.MALFORMED_LINE,
        0,
        "5 more findings, left out",
    )
