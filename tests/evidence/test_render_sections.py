from dataclasses import replace
from typing import Any

import pytest

from c2lib.evidence import render as sections
from c2lib.evidence.claims import Claim, Replay, evaluate
from c2lib.witness.findings import Verdict
from c2lib.witness.reader import FileFacts
from c2lib.witness.summary import RunSummary
from tests.evidence.runs import CLEAN, clean_summary, config, digest, rejected_summary

SCAN = "- Secrets scan of the sealed config, names and reasons:"
DIGEST = f"&#45;&#45;require-sealed &#45;&#45;expect-digest {digest('run')}"
VERIFY = f"c2lib verify out&#47;finish_c&#47;c2&#47;run_demo_001 {DIGEST}"


def of_file(class_name: str = "Mine", **changes: Any) -> RunSummary:
    """Return the summary of a clean run on a strategy file."""
    strategy = {"origin": "file", "class_name": class_name, "sha256": "ab" * 32, "params": {"fast": 5, "on": True}}
    return clean_summary(strategy_id="mine", config=config().canonical() | {"strategy": strategy}, **changes)


def test_scope_shows_strategy() -> None:
    """The scope shows a strategy's name with its origin, class, source hash and parameters."""
    text = sections.scope_section(of_file())
    assert "| Strategy | <code>mine</code> of origin <code>file</code> |" in text
    assert "| Strategy class | <code>Mine</code> |" in text
    assert f"| Strategy sha256 | <code>{'ab' * 32}</code> |" in text
    assert "| Strategy params | <code>fast&#61;5, on&#61;True</code> |" in text


@pytest.mark.parametrize(
    ("summary", "command"),
    [
        (clean_summary(), VERIFY),
        (
            clean_summary(config=config().canonical() | {"market": {"source": "file"}}),
            f"{VERIFY} &#45;&#45;market FILE",
        ),
        (of_file(), f"{VERIFY} &#45;&#45;strategy-file FILE.py&#58;Mine"),
        (of_file(class_name="x; rm -rf ~"), f"{VERIFY} &#45;&#45;strategy-file FILE.py&#58;CLASS"),
        (of_file(artifacts={"strategy.py": FileFacts(digest("s"), 9, 1)}), f"{VERIFY} &#45;&#45;run-kept-strategy"),
        (
            clean_summary(run_digest="x; rm -rf ~"),
            "c2lib verify out&#47;finish_c&#47;c2&#47;run_demo_001 &#45;&#45;require-sealed",
        ),
        (clean_summary(run_id="x; rm -rf ~"), f"c2lib verify RUN_DIRECTORY {DIGEST}"),
        (clean_summary(run_id="../../etc"), f"c2lib verify RUN_DIRECTORY {DIGEST}"),
    ],
)
def test_verify_command_is_shell_safe(summary: RunSummary, command: str) -> None:
    """The verify command names the run directory and what a replay needs, and nothing that a shell could run."""
    assert sections.verify_command(summary) == f"<code>{command}</code>"


def test_only_sealed_files_are_listed() -> None:
    """The artifacts section lists the sealed files and the manifest, missing or not, and no environment."""
    files = {name: facts for name, facts in clean_summary().artifacts.items() if name != "audit.jsonl"}
    text = sections.artifacts_section(clean_summary(artifacts=files))
    assert "environment" not in text
    assert "| <code>audit.jsonl</code> | – | – | missing |" in text
    assert (
        f"| <code>events.jsonl</code> | <code>5120</code> | <code>18</code> | <code>{digest('events')}</code> |" in text
    )


def test_references_are_listed_once() -> None:
    """Each reference is listed once with the name of its event, file or digest; an unknown hash has no name."""
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


def test_absent_references_show_dash() -> None:
    """In the claims table, absent references and an empty text are shown as a dash."""
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
def test_safety_lines_state_numbers(change: dict[str, Any], line: str) -> None:
    """Each safety line states what the run recorded, and a secret in the run is named by its kind alone."""
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
def test_outcome_states_verification(change: dict[str, Any], outcome: str) -> None:
    """The outcome states the verdict, the number of findings and whether the replay reproduced every byte."""
    assert sections.verify_outcome(replace(CLEAN, **change)) == f"<code>{outcome}</code>"


def test_first_event_names_criteria() -> None:
    """The first-event text holds the criteria hash, or for a rejected run says that no criteria were announced."""
    assert clean_summary().criteria_sha256 in sections.first_event(clean_summary())
    assert "no criteria were announced" in sections.first_event(rejected_summary())


def test_pictures_are_sorted_by_name() -> None:
    """Pictures are listed and linked in the order of their names, each with its hash."""
    text = sections.plots_section({"b.png": digest("b"), "a.png": digest("a")})
    assert text.split("\n")[2:4] == [
        f"| <code>a.png</code> | <code>{digest('a')}</code> |",
        f"| <code>b.png</code> | <code>{digest('b')}</code> |",
    ]
    assert text.endswith("\n\n![a.png](a.png)\n\n![b.png](b.png)")
    assert sections.plots_section({}) == "No picture was drawn."
