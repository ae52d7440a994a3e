"""``c2lib diff``: exit 0 when two runs are the same, 1 when they differ, 2 when they cannot be compared."""

import json
import shutil
from pathlib import Path

import pytest

import c2lib
from c2lib.core.vocabulary import Artifact
from tests.app.conftest import Command
from tests.app.runs import BUYER, DEMO, OWN, RUN, market_csv, place_below, strategy_file


def published_again(command: Command, root: Path, *words: str | Path) -> Path:
    """Publish a run below another root, and return its place."""
    command("dryrun", *words, "--out", root)
    return place_below(root)


def test_the_same_command_twice_gives_the_same_run(command: Command, out: Path, tmp_path: Path) -> None:
    """Below another root."""
    a, b = (published_again(command, root, *DEMO) for root in (out, tmp_path / "again"))
    answer = command("diff", a, b)
    assert (answer.code, answer.err) == (0, "")
    head, *rest = answer.out.splitlines()
    assert head == "IDENTICAL"
    assert rest[0] == f"  A: {a}  (SEALED; run_id {RUN})"
    assert rest[-1].endswith("side by side, 0 of them differ")


def test_another_name_is_the_same_run(command: Command, out: Path, published: Path) -> None:
    """And exit 0: nothing that was decided or traded is another."""
    command("dryrun", *DEMO[:4], "--run-id", "other", "--out", out)
    answer = command("diff", published, place_below(out, "other"))
    assert (answer.code, answer.out.splitlines()[0]) == (0, "SAME BUT FOR RUN ID")
    assert "why" not in answer.out


def test_a_field_of_the_config_is_told_with_both_values(command: Command, published: Path, tmp_path: Path) -> None:
    """First the cause, then what followed from it."""
    other = published_again(command, tmp_path / "b", *DEMO, "--set", "broker.slippage_ticks=3")
    answer = command("diff", published, other)
    assert answer.code == 1
    lines = answer.out.splitlines()
    assert lines[0] == "DIFFERENT"
    assert lines[3] == "  why: config.broker.slippage_ticks: 0 | 3"
    assert lines[4].startswith("  first event: A FILL bar ")
    assert "; price: " in lines[4]
    assert any(line.startswith("  fills that differ: ") for line in lines)


def test_everything_that_can_differ_has_a_line(command: Command, published: Path, tmp_path: Path) -> None:
    """Another seed, fewer steps, decisions only, another clock, and a file that is gone."""
    flags = ("--steps", "50", "--tick-events", "decisions", "--clock-start", "2026-02-01T00:00:00+00:00")
    other = published_again(command, tmp_path / "b", *DEMO[:2], "--seed", "9", *DEMO[4:], *flags)
    (other / Artifact.AUDIT).write_bytes(b"x\n")
    (other / Artifact.METRICS).unlink()
    told = command("diff", published, other).out
    for what in (
        "  B cannot be compared: MALFORMED_LINE audit.jsonl:1",
        "  why: config.seed: 7 | 9",
        "  why: config.clock_start: ",
        "  first event: ",
        ", STRATEGY_TICK: 64 | ",
        "  only one side tells ticks without a decision: ",
        "  other times: ",
        "  snapshots: snapshot 3 step: 64 | 50",
        "  phases: ",
        "  first audit entry: audit.jsonl:1 C2_DRYRUN_START: there | (nothing)",
        "  audit entries: C2_DRYRUN_START: 1 | 0",
        "  file: metrics.json: only in A",
    ):
        assert what in told, what


def test_numbers_are_told_where_they_alone_differ(command: Command, published: Path, out: Path) -> None:
    """An event that only one side has gives every later one another number, which is not told."""
    copy = Path(shutil.copytree(published, out / "copy"))
    text = (copy / Artifact.EVENTS).read_text()
    (copy / Artifact.EVENTS).write_text(text.replace('"ts_sim":9,', '"ts_sim":8,'))
    assert "  other ts_sim: 1\n" in command("diff", published, copy).out
    lines = text.splitlines(keepends=True)
    (copy / Artifact.EVENTS).write_text("".join(lines[:5] + lines[6:]).replace('"ts_sim":9,', '"ts_sim":8,'))
    assert "other ts_sim" not in command("diff", published, copy).out


def test_the_json_form_is_one_line(command: Command, published: Path, tmp_path: Path) -> None:
    """What diff_runs reports, for programs."""
    other = published_again(command, tmp_path / "b", *DEMO, "--steps", "10")
    answer = command("diff", "--json", published, other)
    assert answer.code == 1
    assert answer.facts == json.loads(json.dumps(c2lib.diff_runs(published, other).facts()))
    assert answer.facts["outcome"] == "DIFFERENT"
    assert "config.steps" in [cause["name"] for cause in answer.facts["causes"]]


def test_another_market_file_is_the_cause(command: Command, out: Path, tmp_path: Path) -> None:
    """By its hash, and the first bar that is another."""
    markets = [market_csv(tmp_path / name) for name in ("one.csv", "other.csv")]
    markets[1].write_text(markets[1].read_text().replace("105.25,6", "105.75,6"))
    roots = (out, tmp_path / "b")
    a, b = (published_again(command, root, *DEMO, "--market", m) for root, m in zip(roots, markets, strict=True))
    found = c2lib.diff_runs(a, b)
    assert [field.name for field in found.causes] == ["config.market.file_sha256", "market.sha256"]
    assert found.events.first is not None
    assert [field.text() for field in found.events.first.fields] == ["close: 105.25 | 105.75"]


def test_another_strategy_file_is_the_cause(command: Command, out: Path, tmp_path: Path) -> None:
    """By its hash, and the first decision that is another."""
    places = []
    for root, text in ((out, BUYER), (tmp_path / "b", BUYER.replace("== 2", "== 4"))):
        strategy = strategy_file(tmp_path, text)
        places.append(published_again(command, root, *OWN, "--strategy-file", f"{strategy}:Buyer"))
    found = c2lib.diff_runs(*places)
    assert [field.name for field in found.causes] == ["config.strategy.sha256", "strategy.sha256"]
    assert found.events.first is not None
    assert "decision: BUY | HOLD" in found.events.first.text()
    assert (found.events.orders_only_a.count, found.events.orders_only_b.count) == (1, 1)


@pytest.mark.parametrize("broken", ["nothing", "file", "empty"])
def test_what_cannot_be_compared_is_exit_2(broken: str, command: Command, published: Path, tmp_path: Path) -> None:
    """With one line that names the path; on either side."""
    place = tmp_path / broken
    if broken == "file":
        place.write_text("mine")
    elif broken == "empty":
        place.mkdir()
    for pair in ((published, place), (place, published)):
        answer = command("diff", *pair)
        assert answer.code == 2
        assert answer.complaint.startswith(str(place))
    assert command("diff", published).code == 2


def test_a_run_forges_no_line(command: Command, published: Path, out: Path) -> None:
    """Whatever a stranger writes into names, kinds and values."""
    copy = Path(shutil.copytree(published, out / "copy"))
    for name in (Artifact.EVENTS, Artifact.AUDIT, Artifact.SNAPSHOTS, Artifact.METRICS):
        text = (copy / name).read_text()
        for old in ("STRATEGY_TICK", "C2_PREFLIGHT_CHECK", '"HOLD"', f'"{RUN}"', '"decision"'):
            new = '"\\u001b[2J\\nIDENTICAL\\n\\u2028"' if old.startswith('"') else "X\\nIDENTICAL"
            text = text.replace(old, new)
        (copy / name).write_text(text)
    answer = command("diff", published, copy)
    assert answer.code == 1
    assert "IDENTICAL" not in [line.strip() for line in answer.out.splitlines()]
    assert "\x1b" not in answer.out
    assert answer.out.isascii()
