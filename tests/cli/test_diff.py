"""``c2lib diff``: exit 0 when two runs are the same, 1 when they differ, 2 when they cannot be compared."""

import json
import shutil
from pathlib import Path

import pytest

import c2lib
from c2lib.core.vocabulary import Artifact
from tests.app.conftest import Command
from tests.app.runs import BUYER, DEMO, OWN, RUN, SEALED, market_csv, place_below, strategy_file


def published_again(command: Command, root: Path, *words: str | Path) -> Path:
    """Publish a run below another root, and return its place."""
    command("dryrun", *words, "--out", root)
    return place_below(root)


def test_repeated_command_is_identical(command: Command, out: Path, tmp_path: Path) -> None:
    """Runs of the same command below two output roots are IDENTICAL."""
    a, b = (published_again(command, root, *DEMO) for root in (out, tmp_path / "again"))
    answer = command("diff", "--text", a, b)
    assert (answer.code, answer.err) == (0, "")
    head, *rest = answer.out.splitlines()
    assert head == "IDENTICAL"
    assert rest[0] == f"  A: {a}  (SEALED, COMPLETED; run_id {RUN})"
    assert rest[2].endswith(" the same, 0 differ, 0 only in A, 0 only in B")
    assert len(rest) == 4


def test_example_in_docs(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/verify.md prints what the page shows, which is what a terminal gets."""
    section = (Path(__file__).parents[2] / "docs" / "verify.md").read_text().split("## Diff\n")[1]
    _, commands, _, expected, *_ = section.split("```\n")
    monkeypatch.chdir(tmp_path)
    *runs, shown = [line.split()[1:] for line in commands.splitlines()]
    answers = [command(*words) for words in (*runs, [*shown, "--text"])]
    assert ([answer.code for answer in answers], answers[-1].out) == ([0, 0, 1], expected)


def test_other_run_id_changes_nothing(command: Command, out: Path, published: Path) -> None:
    """Runs that differ in the run_id alone are reported as the same but for the run_id, with exit code 0."""
    command("dryrun", *DEMO[:4], "--run-id", "other", "--out", out)
    answer = command("diff", "--text", published, place_below(out, "other"))
    assert (answer.code, answer.out.splitlines()[0]) == (0, "SAME BUT FOR RUN ID")
    assert "why" not in answer.out


def test_config_difference_is_the_cause(command: Command, published: Path, tmp_path: Path) -> None:
    """A differing config field is reported as the cause with its two values, before the events that differ."""
    other = published_again(command, tmp_path / "b", *DEMO, "--set", "broker.slippage_ticks=3")
    answer = command("diff", "--text", published, other)
    assert answer.code == 1
    lines = answer.out.splitlines()
    assert lines[0] == "DIFFERENT"
    assert lines[3] == "  why: config.broker.slippage_ticks: 0 | 3"
    assert lines[4].startswith("  first event: FILL bar ")
    assert "; price: " in lines[4]
    assert any(line.startswith("    FILL: 0 the same, ") for line in lines)


def test_every_difference_has_a_line(command: Command, published: Path, tmp_path: Path) -> None:
    """Each kind of difference between two runs has a line of its own in the report."""
    flags = ("--steps", "50", "--tick-events", "decisions", "--clock-start", "2026-02-01T00:00:00+00:00")
    other = published_again(command, tmp_path / "b", *DEMO[:2], "--seed", "9", *DEMO[4:], *flags)
    (other / Artifact.AUDIT).write_bytes(b"x\n")
    (other / Artifact.METRICS).unlink()
    told = command("diff", "--text", published, other).out
    for what in (
        "  B cannot be compared: MALFORMED_LINE audit.jsonl:1",
        "  why: config.seed: 7 | 9",
        "  why: config.clock_start: ",
        "  first event: STRATEGY_TICK bar ",
        "    STRATEGY_TICK: 0 the same, ",
        "  first audit entry: C2_DRYRUN_START (A line 1, nothing in B)\n",
        "    C2_DRYRUN_START: 0 the same, 0 differ, 1 only in A, 0 only in B",
        "  ending: steps: 64 | 50",
        "  ending: metrics: {",
        "  file: metrics.json: can be read in A alone",
    ):
        assert what in told, what


def test_json_form_is_one_line(command: Command, published: Path, tmp_path: Path) -> None:
    """The JSON form of a diff is one line with the facts that diff_runs returns."""
    other = published_again(command, tmp_path / "b", *DEMO, "--steps", "10")
    answer = command("diff", "--json", published, other)
    assert answer.code == 1
    assert answer.facts == json.loads(json.dumps(c2lib.diff_runs(published, other).facts()))
    assert answer.facts["outcome"] == "DIFFERENT"
    assert "config.steps" in [cause["name"] for cause in answer.facts["causes"]]


def test_market_file_is_the_cause(command: Command, out: Path, tmp_path: Path) -> None:
    """A diff of runs on two market files names the hashes as the cause and the first bar that differs."""
    markets = [market_csv(tmp_path / name) for name in ("one.csv", "other.csv")]
    markets[1].write_text(markets[1].read_text().replace("105.25,6", "105.75,6"))
    roots = (out, tmp_path / "b")
    a, b = (published_again(command, root, *DEMO, "--market", m) for root, m in zip(roots, markets, strict=True))
    found = c2lib.diff_runs(a, b)
    assert [field.name for field in found.causes] == ["config.market.file_sha256", "market.sha256"]
    assert found.events.first is not None
    assert [field.text() for field in found.events.first.fields] == ["close: 105.25 | 105.75"]


def test_strategy_file_is_the_cause(command: Command, out: Path, tmp_path: Path) -> None:
    """A diff of runs on two strategy files names the hash as the cause and the first decision that differs."""
    places = []
    for root, text in ((out, BUYER), (tmp_path / "b", BUYER.replace("== 2", "== 4"))):
        strategy = strategy_file(tmp_path, text)
        places.append(published_again(command, root, *OWN, "--strategy-file", f"{strategy}:Buyer"))
    found = c2lib.diff_runs(*places)
    assert [field.name for field in found.causes] == ["config.strategy.sha256", "strategy.sha256"]
    assert found.events.first is not None
    assert "decision: BUY | HOLD" in found.events.first.text()
    assert (
        "    ORDER_SUBMITTED: 0 the same, 0 differ, 1 only in A, 1 only in B" in command("diff", "--text", *places).out
    )


@pytest.mark.parametrize("broken", ["nothing", "file", "empty"])
def test_incomparable_paths_exit_2(broken: str, command: Command, published: Path, tmp_path: Path) -> None:
    """A path that is no run is named in one line with exit code 2, on either side of a diff."""
    place = tmp_path / broken
    if broken == "file":
        place.write_text("mine")
    elif broken == "empty":
        place.mkdir()
    for pair in ((published, place), (place, published)):
        answer = command("diff", "--text", *pair)
        assert answer.code == 2
        assert answer.complaint.startswith(str(place))
    assert command("diff", "--text", published).code == 2


def test_run_forges_no_line(command: Command, published: Path, out: Path) -> None:
    """Names, kinds and values of an untrusted run are printed escaped and forge no line of a diff."""
    copy = Path(shutil.copytree(published, out / "copy"))
    for name in (Artifact.EVENTS, Artifact.AUDIT, Artifact.SNAPSHOTS, Artifact.METRICS):
        text = (copy / name).read_text()
        for old in ("STRATEGY_TICK", "C2_PREFLIGHT_CHECK", '"HOLD"', f'"{RUN}"', '"decision"'):
            new = '"\\u001b[2J\\nIDENTICAL\\n\\u2028"' if old.startswith('"') else "X\\nIDENTICAL"
            text = text.replace(old, new)
        (copy / name).write_text(text)
    answer = command("diff", "--text", published, copy)
    assert answer.code == 1
    assert "IDENTICAL" not in [line.strip() for line in answer.out.splitlines()]
    assert "\x1b" not in answer.out
    assert answer.out.isascii()


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_at_terminal(
    command: Command, out: Path, monkeypatch: pytest.MonkeyPatch, *, terminal: bool
) -> None:
    """At a terminal the bytes that both runs have are counted to their end on stderr; else nothing is shown."""
    monkeypatch.setattr("c2lib.cli.console.is_terminal", lambda: terminal)
    flags = ("--strategy-id", "strat_demo", "--seed", "7", "--steps", "3000")
    a, b = (published_again(command, root, *flags, "--run-id", RUN) for root in (out, out / "again"))
    heard: list[tuple[int, int]] = []
    assert c2lib.diff_runs(a, b, progress=lambda *how_far: heard.append(how_far)).same
    assert heard == sorted(heard)
    assert heard[-1] == (2 * sum((a / name).stat().st_size for name in SEALED),) * 2
    answer = command("diff", "--text", a, b)
    assert (answer.code, answer.out.startswith("IDENTICAL\n")) == (0, True)
    assert ("B/s" in answer.err, answer.err == "") == (terminal, not terminal)


def test_paths_hide_secrets(command: Command, published: Path, tmp_path: Path) -> None:
    """A secret in the path of a run is printed by no command, in a result or in a message."""
    secret = "AK" + "IA" + "QWERTYUIOP012345"
    place = Path(shutil.copytree(published, tmp_path / secret / RUN))
    for words in (
        ("diff", place, published),
        ("diff", published, place, "--json"),
        ("diff", published, tmp_path / secret / "none"),
        ("verify", place, tmp_path / secret / "none"),
        ("evidence", place, "--no-plots"),
        ("evidence", tmp_path / secret / "none"),
    ):
        answer = command(*words)
        assert secret not in answer.out + answer.err
        assert "[REDACTED:aws-key-id]" in answer.out + answer.err
