"""A run away from the network: the same as any, in a child process; and what happens where there is no namespace."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from c2lib.app import namespace
from c2lib.app.namespace import RESULT, ask, error_facts, run_in_namespace
from c2lib.app.runner import run_dryrun
from c2lib.app.strategy_files import strategy_from_file
from c2lib.app.verify import verify_run
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError, OutputError, RunConflictError
from c2lib.core.states import SessionStatus
from c2lib.core.vocabulary import RejectCode
from tests.app.attempts import refusal_here
from tests.app.conftest import Command
from tests.app.runs import (
    BUYER,
    DEMO,
    OWN,
    RUN,
    Answer,
    in_process_of_its_own,
    place_below,
    sealed_bytes,
    strategy_file,
)
from tests.app.sessions import CONFIG, Buyer, Ticking

AWAY = ("--no-live", "namespace")
AWAY_CONFIG = CONFIG.model_copy(update={"no_live_required": "namespace"})
AWAY_OWN = AWAY_CONFIG.model_copy(update={"strategy_id": "mine", "strategy_allowlist": ("mine",)})
EXPECTED = SessionStatus.REJECTED if refusal_here() else SessionStatus.COMPLETED
"""What a run comes to that does nothing wrong; what the tests below say of such a run holds on either machine."""

REFUSING = """
import os, sys
from pathlib import Path
from c2lib.app.namespace_child import leave_network
if leave_network() is None:
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
os.execv(sys.executable, [sys.executable, "-m", "c2lib", *sys.argv[1:]])
"""
"""Runs a command in a user namespace that may have no further ones; where there is none at all, just runs it."""


def where_the_kernel_refuses(*words: str | Path) -> Answer:
    """Run a command of c2lib on a machine that gives no namespace."""
    done = subprocess.run(
        [sys.executable, "-c", REFUSING, *map(str, words)], capture_output=True, text=True, check=False, timeout=60
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def test_two_runs_are_the_same_bytes_and_no_other_layers(tmp_path: Path) -> None:
    """Wherever they are written; the layer is a part of the sealed config."""
    results = [run_dryrun(AWAY_CONFIG, out_dir=tmp_path / name) for name in "ab"]
    hook = run_dryrun(CONFIG, out_dir=tmp_path / "hook")
    assert [result.status for result in results] == [EXPECTED, EXPECTED]
    assert sealed_bytes(place_below(tmp_path / "a")) == sealed_bytes(place_below(tmp_path / "b"))
    assert results[0].run_digest not in (None, hook.run_digest)
    again = run_dryrun(AWAY_CONFIG, out_dir=tmp_path / "a")
    assert (again.reproduced, again.run_digest) == (True, results[0].run_digest)


def test_a_run_is_verified_anywhere(command: Command, out: Path) -> None:
    """With a replay, here and where the kernel refuses a namespace."""
    run_dryrun(AWAY_CONFIG, out_dir=out)
    for answer in (command("verify", place_below(out)), where_the_kernel_refuses("verify", place_below(out))):
        assert (answer.code, answer.out.startswith("SEALED OK")) == (0, True), answer
        assert "unchecked" not in answer.out


def test_a_strategy_of_ones_own_is_replayed_away_from_the_network_where_that_can_be(out: Path, tmp_path: Path) -> None:
    """Where it cannot, the bytes are compared all the same, and the report says what is missing."""
    strategy = f"{strategy_file(tmp_path)}:Buyer"
    assert run_dryrun(AWAY_OWN, out_dir=out, strategy=strategy).status is EXPECTED
    told: list[tuple[str, int, int]] = []
    report = verify_run(
        place_below(out), replay=True, strategy=strategy, progress=lambda *how_far: told.append(how_far)
    )
    assert (report.ok, report.replayed) == (True, True)
    assert ({unit for unit, _, _ in told}, told[-1][0]) == ({"B", "step"}, "step")
    assert [text for text in report.unchecked if "hook alone" in text] == (
        [f"the network while executing again: hook alone, since {refusal_here()}"] if refusal_here() else []
    )
    refused = where_the_kernel_refuses("verify", place_below(out), "--strategy-file", strategy)
    assert (refused.code, refused.out.startswith("SEALED OK")) == (0, True), refused
    assert "unchecked: the network while executing again: hook alone, since no_live_required" in refused.out


def test_a_replay_away_from_the_network_finds_what_another_finds(out: Path, tmp_path: Path) -> None:
    """Another strategy, and one that cannot be sent over, make the replay impossible and run nothing."""
    run_dryrun(AWAY_OWN, out_dir=out, strategy=f"{strategy_file(tmp_path)}:Buyer")
    trace = tmp_path / "trace"
    other = strategy_file(tmp_path, f"open({str(trace)!r}, 'w')\n{BUYER}")
    for strategy, seen in ((f"{other}:Buyer", "has sha256"), (Buyer, "exists in this process only")):
        (finding,) = verify_run(place_below(out), replay=True, strategy=strategy).findings
        assert (finding.code, seen in finding.seen) == ("REPLAY_IMPOSSIBLE", True)
    assert not trace.exists()


def test_where_the_kernel_refuses_the_run_is_rejected(out: Path) -> None:
    """Exit 1, the code, a reason that names the error and what is missing, and a run that can be verified."""
    answer = where_the_kernel_refuses("dryrun", *DEMO, *AWAY, "--out", out)
    assert (answer.code, answer.facts["reject_code"]) == (1, RejectCode.NO_LIVE_GUARD)
    assert (answer.facts["steps"], answer.facts["path"]) == (0, str(place_below(out)))
    assert "the kernel refused an empty network namespace (E" in answer.err
    assert "user.max_user_namespaces" in answer.err
    assert verify_run(place_below(out), replay=True).ok
    again = where_the_kernel_refuses("dryrun", *DEMO, *AWAY, "--out", out)
    assert again.facts["reproduced"] is True


WRONG: dict[str, tuple[str, ...]] = {
    "a bad run id": (*DEMO, "--run-id", "../x"),
    "a market that is not there": (*DEMO, "--market", "none.csv"),
    "more steps than the model takes": (*DEMO, "--steps", "0"),
    "a strategy file that is not there": (*OWN, "--strategy-file", "none.py:Buyer"),
    "an injected clock": (*DEMO, "--clock-mode", "injected"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_malformed_is_refused_as_in_process(command: Command, tmp_path: Path, what: str) -> None:
    """The same exit code, the same one line, nothing written."""
    here = command("dryrun", *WRONG[what], "--out", tmp_path / "out")
    away = command("dryrun", *WRONG[what], *AWAY, "--out", tmp_path / "out")
    assert (away.code, away.complaint) == (here.code, here.complaint) == (2, here.complaint)
    assert not (tmp_path / "out").exists()


def test_another_run_of_that_name_is_told_with_its_fields(out: Path) -> None:
    """The error comes over whole."""
    run_dryrun(AWAY_CONFIG, out_dir=out)
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(AWAY_CONFIG.model_copy(update={"seed": 8}), out_dir=out)
    assert (caught.value.path, list(caught.value.fields)) == (str(place_below(out)), ["seed"])


@pytest.mark.parametrize(("options", "field"), [({"strategy": Buyer}, "strategy"), ({"clock": Ticking()}, "clock")])
def test_what_exists_in_memory_only_is_refused_by_name(out: Path, options: dict[str, Any], field: str) -> None:
    """And the message says what to do; no child is started."""
    with pytest.raises(ConfigError, match="exists in this process only") as caught:
        run_dryrun(AWAY_OWN, out_dir=out, **options)
    assert (caught.value.field, bool(caught.value.hint)) == (field, True)
    assert not out.exists()


def test_the_child_runs_the_bytes_that_were_read(out: Path, tmp_path: Path) -> None:
    """What happens to the file afterwards changes nothing."""
    file = strategy_file(tmp_path, BUYER + "# é\n")
    source = strategy_from_file(f"{file}:Buyer")
    file.write_text("raise SystemExit(1)\n")
    result = run_dryrun(AWAY_OWN, out_dir=out, strategy=source)
    assert result.status is EXPECTED
    assert json.loads((place_below(out) / "run_manifest.json").read_bytes())["strategy"]["sha256"] == source.sha256


def test_progress_comes_over(out: Path) -> None:
    """Chunk by chunk, as it is made."""
    seen: list[tuple[int, int]] = []
    result = run_dryrun(
        AWAY_CONFIG.model_copy(update={"steps": 9000, "tick_events": "decisions"}),
        out_dir=out,
        progress=lambda *done: seen.append(done),
    )
    assert result.status is EXPECTED
    assert seen == ([] if refusal_here() else [(4096, 9000), (8192, 9000), (9000, 9000)])


def strategy_that(folder: Path, what: str) -> tuple[str, ...]:
    """Return the words of a command that runs a strategy which does something when it decides."""
    file = strategy_file(folder, BUYER.replace("return [", f"{what}\n        return ["))
    return (*OWN, "--strategy-file", f"{file}:Buyer", *AWAY)


def test_what_a_strategy_prints_is_no_answer(command: Command, out: Path, tmp_path: Path) -> None:
    """It comes out on stderr, also where it looks like one."""
    answer = command("dryrun", *strategy_that(tmp_path, "print('{\"result\": 1} é')"), "--out", out)
    assert answer.facts["status"] == EXPECTED
    assert ('{"result": 1} é\n' in answer.err) is (refusal_here() is None)


def test_a_strategy_that_ends_the_process_is_no_success(command: Command, out: Path, tmp_path: Path) -> None:
    """Not even with exit code 0: there is no answer."""
    answer = command("dryrun", *strategy_that(tmp_path, "import os; os._exit(0)"), "--out", out)
    if refusal_here():
        assert answer.facts["reject_code"] == RejectCode.NO_LIVE_GUARD
        return
    assert answer.code == 2
    assert "child process ended (exit code 0) before it told a result" in answer.complaint


def test_a_strategy_that_interrupts_ends_as_in_process(command: Command, out: Path, tmp_path: Path) -> None:
    """Exit 130 and a staging folder."""
    answer = command("dryrun", *strategy_that(tmp_path, "raise KeyboardInterrupt"), "--out", out)
    if refusal_here():
        assert answer.facts["reject_code"] == RejectCode.NO_LIVE_GUARD
        return
    assert (answer.code, "interrupted" in answer.complaint) == (130, True)
    assert [path.name.startswith(f".staging-{RUN}-") for path in place_below(out).parent.iterdir()] == [True]


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """Let children hear interrupts, also when these tests run in the background, where the shell has them ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard_interrupts")
def test_an_interrupt_from_the_keyboard_reaches_the_child_once(out: Path, tmp_path: Path) -> None:
    """The strategy is cut short in the middle of a step, the session closes its record, and nobody is left."""
    mark = tmp_path / "mark"
    what = f"open({str(mark)!r}, 'w').write(str(__import__('os').getpid())); __import__('time').sleep(60)"
    words = strategy_that(tmp_path, what)
    if refusal_here():
        assert in_process_of_its_own("dryrun", *words, "--out", out).facts["reject_code"] == RejectCode.NO_LIVE_GUARD
        return
    command = [sys.executable, "-m", "c2lib", "dryrun", *words, "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        while not (mark.exists() and mark.read_text()):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=60)
    assert (process.returncode, told[0], "interrupted" in told[1]) == (130, "", True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
    (left,) = place_below(out).parent.iterdir()
    assert '"code":"C2_DRYRUN_STOP"' in (left / "audit.jsonl").read_text()


def test_a_process_that_a_strategy_left_behind_holds_nobody_up(out: Path, tmp_path: Path) -> None:
    """A child of the child, made by native code, is ended with it."""
    mark = tmp_path / "mark"
    what = (
        "import ctypes, os, time\n"
        "        if ctypes.CDLL(None).fork() == 0:\n"
        f"            open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60); os._exit(0)\n"
        f"        while not os.path.exists({str(mark)!r}): time.sleep(0.01)"
    )
    answer = in_process_of_its_own("dryrun", *strategy_that(tmp_path, what), "--out", out)
    assert answer.facts["status"] == EXPECTED
    if refusal_here() is None:
        assert not alive(int(mark.read_text()))


def alive(number: int) -> bool:
    """Return whether a process still does something; one that nobody collected does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_broken_progress_ends_the_child(out: Path) -> None:
    """Its error is the caller's own, and no run is published."""

    def break_off(done: int, planned: int) -> None:
        raise ZeroDivisionError(f"{done} of {planned}")

    config = AWAY_CONFIG.model_copy(update={"steps": 9000})
    if refusal_here():
        assert run_dryrun(config, out_dir=out, progress=break_off).status is SessionStatus.REJECTED
        return
    with pytest.raises(ZeroDivisionError, match="4096 of 9000"):
        run_dryrun(config, out_dir=out, progress=break_off)
    assert not place_below(out).exists()


def test_an_interpreter_that_cannot_be_started_is_told(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the machine's fault."""
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(OutputError, match="cannot be started: No such file"):
        run_dryrun(AWAY_CONFIG, out_dir=out)


@pytest.mark.parametrize("program", ["print('rubbish')", "print('[1]')"])
def test_an_answer_that_is_none_is_told(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever got between is not taken for a result."""
    (tmp_path / "answering.py").write_text(program)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(namespace, "CHILD", "answering")
    with pytest.raises(OutputError, match="no answer"):
        ask({}, None)


@pytest.mark.parametrize("forged", ["{}", '{"result": {"status": "RICH"}}', '{"error": {"kind": "Any", "args": []}}'])
def test_an_answer_of_another_form_is_told(
    forged: str, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A strategy can write to the pipe, and gets no traceback out of the parent."""
    (tmp_path / "answering.py").write_text(f"print({forged!r})")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(namespace, "CHILD", "answering")
    with pytest.raises(OutputError, match="no answer"):
        run_dryrun(AWAY_CONFIG, out_dir=out)


def test_a_child_that_ends_at_once_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when it reads nothing of a long job."""
    (tmp_path / "answering.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(namespace, "CHILD", "answering")
    with pytest.raises(OutputError, match=r"ended \(exit code 3\)"):
        ask({"strategy": "x" * 1_000_000}, None)


def test_a_child_that_closed_its_output_is_not_waited_for_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ended."""
    (tmp_path / "answering.py").write_text("import os, time; os.close(1); time.sleep(60)")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(namespace, "CHILD", "answering")
    monkeypatch.setattr(namespace, "_PATIENCE", 0.05)
    with pytest.raises(OutputError, match=r"ended \(exit code None\)"):
        ask({}, None)


def test_without_a_stderr_what_is_printed_is_lost(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else."""
    source = strategy_from_file(f"{strategy_file(tmp_path, BUYER + 'print(1)')}:Buyer")
    monkeypatch.setattr(sys, "stderr", None)
    assert run_in_namespace(AWAY_OWN, out, None, source, None, None).status is EXPECTED


def test_errors_and_results_come_over_whole() -> None:
    """Each field of a result in its type, each kind of error as itself."""
    for config in (CONFIG, CONFIG.model_copy(update={"enabled": True})):
        from c2lib.session.orchestrator import LiveSessionOrchestrator

        result = LiveSessionOrchestrator().run_dryrun(config, audit_sink=[])
        back = RESULT.validate_python(json.loads(json.dumps(dataclasses.asdict(result))))
        assert back == result
        assert [type(value) for value in vars_of(back)] == [type(value) for value in vars_of(result)]
    for error in (OSError(28, "No space left on device", "/out"), KeyboardInterrupt(), ConfigError("a", "b", hint="c")):
        with pytest.raises(type(error)) as caught:
            namespace._raise_error(json.loads(json.dumps(error_facts(error))))
        assert (str(caught.value), vars(caught.value)) == (str(error), vars(error))


def vars_of(result: Any) -> list[Any]:
    """Return the values of a result, field by field."""
    return [getattr(result, name) for name in result.__dataclass_fields__]


def test_a_config_that_went_past_its_model_is_refused_there(out: Path) -> None:
    """What the child gets is held against the model."""
    strange = DryrunConfig.model_construct(**{**dict(AWAY_CONFIG), "seed": "7"})
    with pytest.raises(ConfigError, match="seed"):
        run_dryrun(strange, out_dir=out)
