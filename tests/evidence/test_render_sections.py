import re
import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.evidence.claims import Claim, Replay, evaluate
from c2lib.evidence.figures import Measured
from c2lib.evidence.render import SNAPSHOT_CHECKS, Stated, parse_evidence, render, verify_outcome
from c2lib.witness.findings import Findings, Verdict
from c2lib.witness.reader import FileFacts
from c2lib.witness.summary import RunSummary
from tests.evidence.runs import CLEAN, MEASURED, clean_summary, config, digest, rejected_summary
from tests.evidence.test_render import TEMPLATE, draft

SCAN = "- Secrets scan of the sealed config, names and reasons:"
DIGEST = f"--expect-digest {digest('run')}"
VERIFY = ["c2lib verify . --require-sealed", DIGEST]


def of_file(class_name: str = "Mine", **changes: Any) -> RunSummary:
    """Return the summary of a clean run on a strategy file."""
    strategy = {"origin": "file", "class_name": class_name, "sha256": "ab" * 32, "params": {"fast": 5, "on": True}}
    return clean_summary(strategy_id="mine", config=config().canonical() | {"strategy": strategy}, **changes)


def of_market() -> RunSummary:
    """Return the summary of a clean run on a market file."""
    return clean_summary(config=config().canonical() | {"market": {"source": "file"}})


def commands(text: str) -> list[str]:
    """Return what stands in the fenced blocks of a draft."""
    return re.findall(r"^```bash\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)


def summary_of(text: str) -> list[str]:
    """Return the lines of a draft's summary."""
    return text.partition("## Summary\n\n")[2].partition("\n\n## Claims")[0].split("\n")


def test_summary_stands_first() -> None:
    """The summary is eight lines before the claims that say what came out, on what, and what was exercised."""
    text = draft(clean_summary())
    assert text.index("## Summary") < text.index("## Claims") < text.index("## Safety") < text.index("## Appendix")
    assert summary_of(text) == [
        "- **Verdict:** **PASS**, 13 of 13 claims hold.",
        "- **Criteria:** no weaker than the default profile.",
        "- **Strategy:** `strat_demo`, built into c2lib, `quantity=1`.",
        "- **Market:** `SYNTH`, synthetic; 8 bars of 1 min, 2026-01-01 00:00 to 2026-01-01 00:07 UTC.",
        "- **Result:** 1 trade (0 winning), P&L -0.04, largest drawdown 0.31, fees 0.04 (initial cash 100000).",
        "- **End:** COMPLETED, reason `completed`, 8 of 8 steps; position 1, equity 100000.",
        "- **NO-LIVE:** layer `hook` held; attempts to leave the process: 0.",
        "- **Exercised:** orders 2, fills 2; not: rejections, cancels, expiries, reconciliations, rails, faults.",
    ]


def test_summary_names_strategy_and_market() -> None:
    """The summary shows a strategy file's origin, class, source hash and parameters, and a market file's name."""
    lines = summary_of(draft(of_file()))
    assert lines[2] == "- **Strategy:** `mine`, from a file, class `Mine`, sha256 `abababababab`, `fast=5, on=True`."
    lines = summary_of(draft(of_market(), market="../data/day.csv"))
    assert lines[3].startswith(f"- **Market:** `SYNTH`, `day.csv`, sha256 `{digest('market')[:12]}`; 8 bars of 1 min, ")


@pytest.mark.parametrize("summary", [RunSummary(), rejected_summary(), clean_summary(config={})])
def test_summary_keeps_eight_lines(summary: RunSummary) -> None:
    """The summary of an empty, rejected or damaged run has its eight lines, with dashes for what is not known."""
    lines = summary_of(draft(summary, measured=Measured()))
    assert [line.split(":**")[0][4:] for line in lines] == [
        *("Verdict", "Criteria", "Strategy", "Market", "Result", "End", "NO-LIVE", "Exercised")
    ]
    assert lines[4].startswith("- **Result:** 0 trades (0 winning), P&L –, largest drawdown –, ")


@pytest.mark.parametrize(
    ("summary", "stated", "words"),
    [
        (clean_summary(), {}, VERIFY),
        (of_market(), {"market": "../my data/day's.csv"}, [*VERIFY, """--market '../my data/day'"'"'s.csv'"""]),
        (of_market(), {}, [*VERIFY, "--market MARKET_FILE"]),
        (of_market(), {"market": "a\nb.csv"}, [*VERIFY, "--market MARKET_FILE"]),
        (of_market(), {"market": "password=hunter2hunter2.csv"}, [*VERIFY, "--market MARKET_FILE"]),
        (of_market(), {"market": "```.csv"}, [*VERIFY, "--market '```.csv'"]),
        (of_market(), {"market": "$(rm -rf ~)`x`"}, [*VERIFY, "--market '$(rm -rf ~)`x`'"]),
        (of_file(), {"strategy": "mine.py"}, [*VERIFY, "--strategy-file mine.py:Mine"]),
        (of_file(), {"strategy": "a b.py"}, [*VERIFY, "--strategy-file 'a b.py:Mine'"]),
        (of_file(), {}, [*VERIFY, "--strategy-file STRATEGY_FILE.py:Mine"]),
        (of_file(class_name="x; rm -rf ~"), {"strategy": "m.py"}, [*VERIFY, "--strategy-file m.py:CLASS"]),
        (of_file(artifacts={"strategy.py": FileFacts(digest("s"), 9, 1)}), {}, [*VERIFY, "--run-kept-strategy"]),
        (clean_summary(run_digest="x; rm -rf ~"), {}, VERIFY[:1]),
        (clean_summary(run_id="x; rm -rf ~"), {}, VERIFY),
    ],
)
def test_commands_are_complete_and_quoted(summary: RunSummary, stated: dict[str, Any], words: list[str]) -> None:
    """The commands name what a replay needs, quoted for a shell, an option a line; nothing else of a run is in them."""
    text = draft(summary, **stated)
    verify, evidence, second, first, hashes = commands(text)
    assert verify.split(" \\\n  ") == words
    assert shlex.split(verify.replace("\\\n", "")) == shlex.split(" ".join(words))
    name = text.split("\n")[0][2:]
    assert evidence.split(" \\\n  ") == [
        f"c2lib verify evidence/{name}.md",
        *(word for word in words[1:] if word != DIGEST),
    ]
    anchor = [DIGEST] if DIGEST in words else []
    assert second.split(" \\\n  ")[1:] == anchor
    assert first == "head -n 1 events.jsonl"
    assert hashes.startswith("sha256sum --check --strict <<'END'\n")
    assert "rm -rf" not in "".join((evidence, second, hashes)) or "rm -rf" in stated.get("market", "")


def test_damaged_hash_is_not_listed() -> None:
    """What is no SHA-256 is left out of the list that sha256sum is given."""
    files = {"events.jsonl": FileFacts("END\nrm -rf ~", 1, 1), "audit.jsonl": FileFacts(digest("audit"), 1, 1)}
    sums = commands(draft(clean_summary(artifacts=files)))[-1].split("\n")
    assert sums[1:] == [f"{digest('audit')}  audit.jsonl", "END"]


PATHS = st.text(st.characters() | st.sampled_from("'\"\\ $`\n:-/."), max_size=30)


@given(PATHS, PATHS)
def test_paths_read_back(market: str, strategy: str) -> None:
    """A draft whose paths are read from its text and rendered again is the same draft, whatever the paths are."""
    both = of_file()
    both = replace(both, config={**both.config, "market": {"source": "file"}})
    text = draft(both, market=market, strategy=strategy)
    seen = parse_evidence(text.encode("utf-8", "replace"), "EV-x.md", Findings())
    assert seen is not None
    assert draft(both, market=seen.market, strategy=seen.strategy) == text
    verify = shlex.split(commands(text)[0].replace("\\\n", ""))
    assert verify[-4:-1:2] == ["--market", "--strategy-file"]
    assert verify[-3] in (market, "MARKET_FILE")
    assert verify[-1] in (f"{strategy}:Mine", "STRATEGY_FILE.py:Mine")


@pytest.mark.parametrize("line", ["--market 'a", "--market a b", "--market", "--market ''", "--market " + "a" * 9000])
def test_odd_path_is_ignored(line: str) -> None:
    """A path in an evidence file that is not one quoted word is none."""
    text = draft(of_market(), market="day.csv").replace("--market day.csv", line)
    seen = parse_evidence(text.encode(), "EV-x.md", Findings())
    assert seen is not None
    assert seen.market in (None, "")
    assert draft(of_market(), market=seen.market) != text


def test_filled_results_are_kept() -> None:
    """Results that the operator fills in are read back and stand in the draft; what could be structure is not taken."""
    shown = ("## main...origin/main", "3 insertions(+), 1 deletion(-)", "99 passed", "ok")
    results = dict(zip(SNAPSHOT_CHECKS, shown, strict=True))
    text = draft(clean_summary())
    for check, result in results.items():
        text = text.replace(f"- `{check}`: to be filled in\n", f"- `{check}`: {result}\n")
    seen = parse_evidence(text.encode(), "EV-x.md", Findings())
    assert seen is not None
    assert {check: seen.checks[check] for check in results} == results
    assert draft(clean_summary(), checks=seen.checks) == text
    for hostile in ("<b>", "a`b", "[x](y)", "&lt;", "password=hunter2hunter2", "\u202ex"):
        seen = parse_evidence(text.replace("99 passed", hostile).encode(), "EV-x.md", Findings())
        assert seen is not None
        assert hostile not in draft(clean_summary(), checks=seen.checks)


def test_identity_is_unique() -> None:
    """Drafts of two runs on one day have one file name and two identities; one without a digest says so."""
    lines = [draft(clean_summary(run_digest=value)).split("\n")[:3] for value in (digest("a"), digest("b"), None)]
    assert [line[0] for line in lines[:2]] == ["# EV-20260131-FINISH_C2-ORCH-DRYRUN-PASS"] * 2
    assert [line[2].rpartition("-")[2] for line in lines] == [digest("a")[:12], digest("b")[:12], "unsealed"]


def rows_of(text: str, column: str) -> list[list[str]]:
    """Return the cells of the rows of the table whose first column has this name."""
    lines = text.partition(f"\n| {column} ")[2].partition("\n\n")[0].split("\n")[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_only_sealed_files_are_listed() -> None:
    """The artifacts section lists the sealed files and the manifest, missing or not, and no environment."""
    files = {name: facts for name, facts in clean_summary().artifacts.items() if name != "audit.jsonl"}
    text = draft(clean_summary(artifacts=files))
    rows = {row[0]: row[1:] for row in rows_of(text, "File")}
    assert list(rows) == [f"`{name}`" for name in (*list(clean_summary().artifacts)[:5],)]
    assert rows["`audit.jsonl`"] == ["missing", "–", "–"]
    assert rows["`events.jsonl`"][:2] == ["5120", "18"]
    assert "environment.json" not in text


def test_references_are_numbered_once() -> None:
    """Each hash stands once in the appendix, with a number and what it is of; an unknown one has no name."""
    own = (digest("unknown"), digest("run"))
    claims = (*evaluate(clean_summary(), CLEAN), Claim("own", "Mine.", "", "", True, own))
    text = render(TEMPLATE, clean_summary(), claims, CLEAN, MEASURED, Stated("2026-01-31", "ops", {}))
    rows = rows_of(text, "Ref")
    assert [row[0] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    assert len({row[2] for row in rows}) == len(rows) == 15
    known = {row[2].strip("`"): row for row in rows}
    for word, what in (
        ("session_start", "event session_start"),
        ("audit", "file audit.jsonl"),
        ("manifest", "file run_manifest.json"),
        ("last entry", "last audit entry"),
        ("run", "run_digest"),
        ("market", "market"),
        ("unknown", "–"),
    ):
        assert known[digest(word)][1] == what
    assert rows_of(text, "Claim")[-1][-1] == f"{known[digest('unknown')][0]}, {known[digest('run')][0]}"


def test_absent_references_show_dash() -> None:
    """In the claims table, absent references and an empty text are shown as a dash."""
    claims = (Claim("own", "Mine.", "", "seen", False, ()),)
    text = render(TEMPLATE, clean_summary(), claims, CLEAN, MEASURED, Stated("2026-01-31", "ops", {}))
    assert rows_of(text, "Claim") == [["`own`", "**FAIL**", "– → `seen`", "–"]]


def test_hashes_stand_in_the_appendix() -> None:
    """No SHA-256 stands in full before the appendix, but for the digest that commands expect."""
    before, _, _ = draft(clean_summary()).partition("## Appendix")
    assert set(re.findall(r"\b[0-9a-f]{64}\b", before)) == {digest("run")}


def test_raw_text_fits_a_page() -> None:
    """Of the raw draft, no line but those of the summary has more than 110 characters."""
    text = draft(clean_summary())
    assert [line for line in text.split("\n") if len(line) > 110] == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({}, "- NO-LIVE layer required: `hook`; held."),
        ({"no_live_held": False}, "- NO-LIVE layer required: `hook`; not shown to hold."),
        ({"no_live_attempts": None}, "- Attempts to leave the process, refused and counted: –."),
        ({"enabled_overridden": True}, "- Gate `enabled`: `false`; overridden by a test."),
        ({"config": {}}, "- Gate `enabled`: –; not overridden."),
        ({}, f"{SCAN} nothing found."),
        (
            {"fail_reason": "password=hunter2hunter2", "config": {"note": "Bearer abcdefghijklmnopqrst7"}},
            f"{SCAN} found: `bearer`, `assignment`.",
        ),
    ],
)
def test_safety_lines_state_numbers(change: dict[str, Any], line: str) -> None:
    """Each safety line states what the run recorded, and a secret in the run is named by its kind alone."""
    text = draft(clean_summary(**change))
    lines = text.partition("## Safety/Governance\n\n")[2].partition("\n\n##")[0].split("\n")
    assert line in lines
    assert len(lines) == 7
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("change", "outcome", "expected"),
    [
        ({}, "SEALED, 0 findings, every byte reproduced", "0"),
        ({"replay": Replay.DIFFERENT, "findings": 1}, "SEALED, 1 finding, bytes differ on replay", "1"),
        ({"replay": Replay.IMPOSSIBLE}, "SEALED, 0 findings, replay not possible", "0"),
        ({"verdict": Verdict.UNSEALED, "findings": 0}, "UNSEALED, 0 findings, every byte reproduced", "1"),
    ],
)
def test_outcome_states_verification(change: dict[str, Any], outcome: str, expected: str) -> None:
    """A draft states verdict, findings and replay of its making, and the exit code that its command will have."""
    verification = replace(CLEAN, **change)
    assert verify_outcome(verification) == f"`{outcome}`"
    text = draft(clean_summary(), verification)
    assert f"Expected: exit code {expected}.\nWhen this draft was made: `{outcome}`.\n" in text


def test_first_event_names_criteria() -> None:
    """The first event is announced with its criteria hash, or for a rejected run without one."""
    assert f"the appendix, `{clean_summary().criteria_sha256[:12]}`." in draft(clean_summary())
    assert "no criteria were announced by this run." in draft(rejected_summary())


def test_kept_strategy_is_warned_of() -> None:
    """Where a command executes the strategy that a run keeps, the draft says to read it before."""
    kept = of_file(artifacts={"strategy.py": FileFacts(digest("s"), 9, 1)})
    assert "read `strategy.py` before" in draft(kept)
    assert "read `strategy.py` before" not in draft(of_file())


def test_pictures_are_sorted_by_name() -> None:
    """Pictures are linked in the order of their names, and each has its hash in the appendix."""
    text = draft(clean_summary(), plots={"b.png": digest("b"), "a.png": digest("a")})
    assert [row[1:] for row in rows_of(text, "Ref")][-2:] == [
        ["picture a.png", f"`{digest('a')}`"],
        ["picture b.png", f"`{digest('b')}`"],
    ]
    assert "\n\n![a.png](a.png)\n\n![b.png](b.png)\n\n" in text
    assert "\n\nNo picture was drawn.\n\n" in draft(clean_summary(), plots={})
