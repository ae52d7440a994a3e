"""``c2lib verify``: exit 0 when nothing was found, 1 when something was, 2 when there is nothing to report on."""

import json
from pathlib import Path

import pytest

from c2lib.app.runner import run_dryrun
from c2lib.core.canon import sha256_hex
from c2lib.core.config import DryrunConfig
from c2lib.core.vocabulary import Artifact
from tests.app.conftest import Command
from tests.app.runs import BUYER, OWN, RUN, flip_byte, manifest_of, market_csv, place_below, strategy_file
from tests.app.sessions import Buyer


def test_correct_run_is_one_line(command: Command, published: Path) -> None:
    """A correct run is one line with verdict, path and digest, and says that the run was executed again."""
    answer = command("verify", "--text", published)
    digest = manifest_of(published)["run_digest"]
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"SEALED OK  {published}  (executed again; run_digest {digest})\n"


def test_skipped_replay_is_listed(command: Command, published: Path) -> None:
    """Verify without a replay says so and lists the re-execution as unchecked."""
    answer = command("verify", "--text", "--no-replay", published)
    assert answer.code == 0
    assert "not executed again" in answer.out
    assert answer.out.endswith("  unchecked: re-execution: left out\n")


def test_findings_are_listed(command: Command, published: Path) -> None:
    """The findings of a run are printed one a line with exit code 1."""
    flip_byte(published / Artifact.EVENTS, 3)
    answer = command("verify", "--text", published)
    assert answer.code == 1
    assert answer.out.startswith("SEALED NOT OK  ")
    assert "\n  finding: DIGEST_WRONG events.jsonl" in answer.out


def test_json_has_line_per_run(command: Command, published: Path) -> None:
    """The JSON form of verify is one line for each run."""
    answer = command("verify", "--json", published, published)
    first, second = (json.loads(line) for line in answer.out.splitlines())
    assert first == second
    assert (first["ok"], first["replayed"], first["path"]) == (True, True, str(published))


def test_every_path_is_reported(command: Command, published: Path, tmp_path: Path) -> None:
    """Every path given to verify is reported, one behind a missing path too, and the worst sets the exit code."""
    answer = command("verify", "--text", tmp_path / "nothing", published)
    assert answer.code == 2
    assert answer.out.startswith("SEALED OK  ")
    assert answer.err.startswith(f"c2lib: {tmp_path}/nothing is no directory that can be read")
    (published / Artifact.METRICS).unlink()
    assert command("verify", "--text", published, published).code == 1


def test_required_seal_needs_manifest(command: Command, published: Path) -> None:
    """With --require-sealed a run without a manifest is NOT_SEALED with exit code 1."""
    (published / Artifact.MANIFEST).unlink()
    assert command("verify", "--text", published).code == 0
    answer = command("verify", "--text", "--require-sealed", published)
    assert (answer.code, "NOT_SEALED" in answer.out) == (1, True)


def test_unexpected_digest_is_found(command: Command, published: Path) -> None:
    """A run with another digest than --expect-digest gives has exit code 1."""
    assert command("verify", "--text", "--expect-digest", manifest_of(published)["run_digest"], published).code == 0
    assert command("verify", "--text", "--expect-digest", "0" * 64, published).code == 1


@pytest.mark.parametrize("value", ["x\nSEALED OK  forged", "\x1b[2J", "\u2028"])
def test_manifest_forges_no_line(command: Command, published: Path, value: str) -> None:
    """Values of an untrusted manifest are printed escaped and forge no line of the report."""
    path = published / Artifact.MANIFEST
    manifest = manifest_of(published) | {"run_digest": value, "run_id": value}
    path.write_text(json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n")
    answer = command("verify", "--text", published)
    assert answer.code == 1
    assert not any(line.startswith("SEALED OK") for line in answer.out.splitlines())
    assert "\x1b" not in answer.out


def test_run_on_files_needs_files(command: Command, out: Path, tmp_path: Path) -> None:
    """Without the files of a run verify and evidence exit 2 with one line that names each flag, and say no verdict."""
    market, strategy = market_csv(tmp_path / "day.csv"), tmp_path / "mine.py"
    strategy.write_text(BUYER)
    given = ("--market", market, "--strategy-file", f"{strategy}:Buyer")
    command("dryrun", *OWN, *given, "--out", out)
    place = place_below(out)
    facts = manifest_of(place)
    flags = {
        "market": f"add --market FILE of sha256 {facts['market']['sha256']}",
        "strategy": f"add --strategy-file FILE.py:Buyer of sha256 {facts['strategy']['sha256']}, or --run-kept-",
    }
    for words, lacking in (((), ("market", "strategy")), (given[:2], ("strategy",)), (given[2:], ("market",))):
        for name in ("verify", "evidence"):
            answer = command(name, place, *words)
            assert (answer.code, answer.out) == (2, ""), answer
            assert answer.complaint.startswith(f"{' and '.join(lacking)}: not given, and {place} cannot be executed")
            assert [flag in answer.complaint for flag in flags.values()] == [name in lacking for name in flags]
    assert not (place / "evidence").exists()
    assert command("verify", "--text", place, "--no-replay").code == 0
    for more in (given, (*given[:2], "--run-kept-strategy")):
        assert command("verify", "--text", place, *more).code == 0


def test_wrong_files_are_no_finding(command: Command, out: Path, tmp_path: Path) -> None:
    """Another market or strategy file than the run's is exit 2 with both hashes; other paths are still reported."""
    market, strategy = market_csv(tmp_path / "day.csv"), strategy_file(tmp_path)
    given = ("--market", market, "--strategy-file", f"{strategy}:Buyer")
    command("dryrun", *OWN, *given, "--out", out)
    place = place_below(out)
    plain = command("dryrun", "--strategy-id", "strat_demo", "--seed", "1", "--out", out).facts["path"]
    used = manifest_of(place)
    for file, name in ((market, "market"), (strategy, "strategy")):
        before = file.read_bytes()
        file.write_bytes(before + before[-40:] if file is market else before + b"# more\n")
        for words in (("verify", "--text", place, plain), ("evidence", place, "--no-plots")):
            answer = command(*words, *given)
            assert (answer.code, answer.err.count("\n")) == (2, 1), answer
            assert f"has sha256 {sha256_hex(file.read_bytes())}, and {place} used {used[name]['sha256']}" in answer.err
            assert answer.out == "" if words[0] == "evidence" else answer.out.startswith(f"SEALED OK  {plain}")
        file.write_bytes(before)
    assert command("verify", "--text", place, "--market", tmp_path / "none.csv", *given[2:]).complaint.startswith(
        f"{tmp_path}/none.csv: cannot be read: No such file"
    )
    for more in (("--strategy-file", "none.py:Buyer"), ("--strategy-file", ""), ("--market", "", *given[2:])):
        assert command("verify", "--text", place, *more).code == 2


def test_object_run_is_unchecked(command: Command, out: Path) -> None:
    """A run on a class in memory lists the replay as unchecked, and no flag that could not help is advised."""
    config = DryrunConfig(strategy_id="mine", strategy_allowlist=("mine",), seed=7)
    place = run_dryrun(config, out_dir=out, strategy=Buyer).path or ""
    answer = command("verify", "--text", place)
    assert (answer.code, answer.err) == (0, "")
    assert "(not executed again; " in answer.out
    assert "  unchecked: re-execution: the strategy was a class in memory" in answer.out
    assert "--strategy-file" not in answer.out
    draft = command("evidence", place, "--no-plots")
    assert (draft.code, set(draft.facts["failed_claims"])) == (1, {"reproduced", "re_executable"})
    assert command("verify", "--text", draft.facts["path"]).code == 0


def test_renamed_folder_is_a_note(command: Command, published: Path) -> None:
    """A received folder of another name is verified with a note, and its evidence names the run by the manifest."""
    place = published.rename(published.with_name("from_tokyo"))
    note = f"the folder is called from_tokyo, the run {RUN}"
    answer = command("verify", "--text", place)
    assert (answer.code, answer.out.splitlines()[1:]) == (0, [f"  note: {note}"])
    assert command("verify", "--json", place).facts["notes"] == [note]
    answer = command("evidence", place, "--no-plots")
    draft = Path(answer.facts["path"])
    assert (answer.code, draft.parent.parent) == (0, place)
    assert f"`{RUN}`" in draft.read_text()
    assert "from_tokyo" not in draft.read_text()
    assert command("verify", "--text", draft).code == 0


def test_progress_is_shown_at_terminal(command: Command, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long verify at a terminal shows bytes and then steps on stderr, and stdout stays one line."""
    monkeypatch.setattr("c2lib.cli.console.is_terminal", lambda: True)
    config = DryrunConfig(strategy_id="strat_demo", seed=7, steps=5000)
    path = run_dryrun(config, out_dir=out).path
    assert path is not None
    answer = command("verify", "--text", path)
    assert answer.code == 0
    assert answer.out.count("\n") == 1
    assert "B/s" in answer.err
    assert "step/s" in answer.err
    assert "step/s" not in command("verify", "--text", "--no-replay", path).err
