from dataclasses import replace
from typing import Any

import pytest

from c2lib.evidence import render as sections
from c2lib.evidence.claims import Claim, Replay, evaluate
from c2lib.witness.findings import Verdict
from c2lib.witness.run import RunSummary
from tests.evidence.runs import CLEAN, clean_summary, config, digest, rejected_summary

SCAN = "- Secrets scan of the sealed config, names and reasons:"
DIGEST = f"&#45;&#45;require-sealed &#45;&#45;expect-digest {digest('run')}"
VERIFY = f"c2lib verify out&#47;finish_c&#47;c2&#47;run_demo_001 {DIGEST}"


@pytest.mark.parametrize(
    ("summary", "command"),
    [
        (clean_summary(), VERIFY),
        (
            clean_summary(config=config().canonical() | {"market": {"source": "file"}}),
            f"{VERIFY} &#45;&#45;market FILE",
        ),
        (
            clean_summary(strategy_id="mine"),
            f"{VERIFY} &#45;&#45;strategy-file FILE.py&#58;CLASS",
        ),
        (
            clean_summary(run_digest="x; rm -rf ~"),
            "c2lib verify out&#47;finish_c&#47;c2&#47;run_demo_001 &#45;&#45;require-sealed",
        ),
        (clean_summary(run_id="x; rm -rf ~"), f"c2lib verify RUN_DIRECTORY {DIGEST}"),
        (clean_summary(run_id="../../etc"), f"c2lib verify RUN_DIRECTORY {DIGEST}"),
    ],
)
def test_the_command_to_verify_can_be_pasted_safely(summary: RunSummary, command: str) -> None:
    """It names the run directory, what a replay needs, and nothing that a shell could take for a command."""
    assert sections.verify_command(summary) == f"<code>{command}</code>"


def test_only_sealed_files_and_the_manifest_are_listed() -> None:
    """The environment differs between machines and would change the draft; a missing file is named."""
    files = {name: facts for name, facts in clean_summary().artifacts.items() if name != "audit.jsonl"}
    text = sections.artifacts_section(clean_summary(artifacts=files))
    assert "environment" not in text
    assert "| <code>audit.jsonl</code> | – | – | missing |" in text
    assert (
        f"| <code>events.jsonl</code> | <code>5120</code> | <code>18</code> | <code>{digest('events')}</code> |" in text
    )


def test_references_are_listed_once() -> None:
    """Events, files, the last audit entry and the run digest are named as such; an unknown hash has no name."""
    claims = (*evaluate(clean_summary(), CLEAN), Claim("own", "Mine.", "", "", True, (digest("unknown"),)))
    rows = sections.references_section(clean_summary(), claims).split("\n")[2:]
    assert len(rows) == len(set(rows)) == 11
    for word, what in (
        ("session_start", "event session_start"),
        ("audit", "file audit.jsonl"),
        ("last entry", "last audit entry"),
        ("run", "run_digest"),
    ):
        row = f"| <code>{digest(word)[:12]}</code> | <code>{what}</code> | <code>{digest(word)}</code> |"
        assert row in rows
    assert f"| <code>{digest('unknown')[:12]}</code> | – | <code>{digest('unknown')}</code> |" in rows


def test_no_references_are_a_dash() -> None:
    """The cell is there, and empty texts are dashes as well."""
    row = sections.claims_section((Claim("own", "Mine.", "", "seen", False, ()),)).split("\n")[-1]
    assert row == "| <code>own</code> | Mine. | – | <code>seen</code> | FAIL | – |"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({}, "- NO-LIVE layer required: <code>hook</code>; held."),
        ({"no_live_held": False}, "- NO-LIVE layer required: <code>hook</code>; not shown to hold."),
        ({"no_live_attempts": None}, "- Attempts to leave the process, refused and counted: –."),
        ({"enabled_overridden": True}, "- Gate <code>enabled</code>: <code>false</code>; overridden by a test."),
        ({"config": {}}, "- Gate <code>enabled</code>: –; not overridden."),
        ({}, f"{SCAN} nothing found."),
        (
            {"fail_reason": "password=hunter2hunter2", "config": {"note": "Bearer abcdefghijklmnopqrst7"}},
            f"{SCAN} found: <code>bearer</code>, <code>assignment</code>.",
        ),
    ],
)
def test_safety_in_numbers(change: dict[str, Any], line: str) -> None:
    """Each line says what was seen, and a secret is named by its kind alone."""
    lines = sections.safety_section(clean_summary(**change)).split("\n")
    assert line in lines
    assert len(lines) == 7
    assert "hunter2" not in "".join(lines)


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, "SEALED, 0 findings, every byte reproduced"),
        ({"replay": Replay.DIFFERENT}, "SEALED, 0 findings, bytes differ on replay"),
        ({"replay": Replay.IMPOSSIBLE}, "SEALED, 0 findings, replay not possible"),
        ({"verdict": Verdict.UNSEALED, "findings": 2}, "UNSEALED, 2 findings, every byte reproduced"),
    ],
)
def test_verification_outcome(change: dict[str, Any], outcome: str) -> None:
    """What the verifier reported when the draft was made stands beside what is expected."""
    assert sections.verify_outcome(replace(CLEAN, **change)) == f"<code>{outcome}</code>"


def test_first_event() -> None:
    """The hash of the criteria is expected in event 0 of a run that started; a rejected run announced none."""
    assert clean_summary().criteria_sha256 in sections.first_event(clean_summary())
    assert "no criteria were announced" in sections.first_event(rejected_summary())


def test_pictures_are_linked_in_the_order_of_their_names() -> None:
    """Each has its hash and a relative link."""
    text = sections.plots_section({"b.png": digest("b"), "a.png": digest("a")})
    assert text.split("\n")[2:4] == [
        f"| <code>a.png</code> | <code>{digest('a')}</code> |",
        f"| <code>b.png</code> | <code>{digest('b')}</code> |",
    ]
    assert text.endswith("\n\n![a.png](a.png)\n\n![b.png](b.png)")
    assert sections.plots_section({}) == "No picture was drawn."
