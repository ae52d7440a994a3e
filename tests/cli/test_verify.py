"""``c2lib verify``: exit 0 when nothing was found, 1 when something was, 2 when there is nothing to report on."""

import json
from pathlib import Path

import pytest

from c2lib.app.runner import run_dryrun
from c2lib.core.config import DryrunConfig
from c2lib.core.vocabulary import Artifact
from tests.app.conftest import Command
from tests.app.runs import BUYER, OWN, flip_byte, manifest_of, market_csv, place_below


def test_a_sound_run_is_one_line(command: Command, published: Path) -> None:
    """Verdict, path, digest, and whether it was executed again."""
    answer = command("verify", published)
    digest = manifest_of(published)["run_digest"]
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"SEALED OK  {published}  (executed again; run_digest {digest})\n"


def test_without_the_replay_it_says_so(command: Command, published: Path) -> None:
    """What was not checked is listed."""
    answer = command("verify", "--no-replay", published)
    assert answer.code == 0
    assert "not executed again" in answer.out
    assert answer.out.endswith("  unchecked: re-execution: left out\n")


def test_findings_are_listed(command: Command, published: Path) -> None:
    """One line each, exit 1."""
    flip_byte(published / Artifact.EVENTS, 3)
    answer = command("verify", published)
    assert answer.code == 1
    assert answer.out.startswith("SEALED NOT OK  ")
    assert "\n  finding: DIGEST_WRONG events.jsonl" in answer.out


def test_the_json_form_is_a_line_per_run(command: Command, published: Path) -> None:
    """For programs."""
    answer = command("verify", "--json", published, published)
    first, second = (json.loads(line) for line in answer.out.splitlines())
    assert first == second
    assert (first["ok"], first["replayed"], first["path"]) == (True, True, str(published))


def test_every_path_is_reported_on(command: Command, published: Path, tmp_path: Path) -> None:
    """Also behind one that is no run; the worst gives the exit code."""
    answer = command("verify", tmp_path / "nothing", published)
    assert answer.code == 2
    assert answer.out.startswith("SEALED OK  ")
    assert answer.err.startswith(f"c2lib: {tmp_path}/nothing is no directory that can be read")
    (published / Artifact.METRICS).unlink()
    assert command("verify", published, published).code == 1


def test_taking_the_manifest_away_does_not_pass_where_a_seal_is_asked_for(command: Command, published: Path) -> None:
    """Less than SEALED is a finding then."""
    (published / Artifact.MANIFEST).unlink()
    assert command("verify", published).code == 0
    answer = command("verify", "--require-sealed", published)
    assert (answer.code, "NOT_SEALED" in answer.out) == (1, True)


def test_another_digest_than_the_expected_is_a_finding(command: Command, published: Path) -> None:
    """For a reviewer who wrote the digest down."""
    assert command("verify", "--expect-digest", manifest_of(published)["run_digest"], published).code == 0
    assert command("verify", "--expect-digest", "0" * 64, published).code == 1


@pytest.mark.parametrize("value", ["x\nSEALED OK  forged", "\x1b[2J", "\u2028"])
def test_a_manifest_forges_no_line(command: Command, published: Path, value: str) -> None:
    """What a stranger's manifest says is shown escaped, if at all."""
    path = published / Artifact.MANIFEST
    manifest = manifest_of(published) | {"run_digest": value, "run_id": value}
    path.write_text(json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n")
    answer = command("verify", published)
    assert answer.code == 1
    assert not any(line.startswith("SEALED OK") for line in answer.out.splitlines())
    assert "\x1b" not in answer.out


def test_a_run_on_a_file_needs_the_file(command: Command, out: Path, tmp_path: Path) -> None:
    """Market and strategy are handed over, and only those of the sealed hash."""
    market, strategy = market_csv(tmp_path / "day.csv"), tmp_path / "mine.py"
    strategy.write_text(BUYER)
    given = ("--market", market, "--strategy-file", f"{strategy}:Buyer")
    command("dryrun", *OWN, *given, "--out", out)
    place = place_below(out)
    assert command("verify", place, *given).code == 0
    assert command("verify", place).code == 1
    assert command("verify", place, *given[:2]).code == 1
    assert command("verify", place, *given[2:]).code == 1
    strategy.write_text(BUYER + "\n")
    answer = command("verify", place, *given)
    assert (answer.code, "REPLAY_IMPOSSIBLE" in answer.out) == (1, True)
    assert command("verify", place, "--strategy-file", "none.py:Buyer").code == 2


def test_progress_is_shown_to_who_watches(command: Command, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long run at a terminal has its bytes and then its steps on stderr; stdout stays one line."""
    monkeypatch.setattr("c2lib.cli.console.is_terminal", lambda: True)
    config = DryrunConfig(strategy_id="strat_demo", seed=7, steps=5000)
    path = run_dryrun(config, out_dir=out).path
    assert path is not None
    answer = command("verify", path)
    assert answer.code == 0
    assert answer.out.count("\n") == 1
    assert "B/s" in answer.err
    assert "step/s" in answer.err
    assert "step/s" not in command("verify", "--no-replay", path).err
