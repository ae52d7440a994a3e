"""The reviewer's notebook: what it makes of runs and evidence that were received, sound, altered and forged."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import papermill
import pytest

from c2lib.app.evidence import write_evidence
from c2lib.app.paths import PACKAGE, resource
from c2lib.app.runner import run_dryrun
from c2lib.app.verify import verify_run
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError, MarketDataError, RunPathError
from c2lib.jupyter.engine import MODELS, RefusedParameterError
from c2lib.jupyter.notebook import VerifyParameters, second_verifier, why_not_sound
from tests.app.runs import flip_byte, forge, market_csv, strategy_file, tree
from tests.witness.other_program import OtherRun

NOTEBOOK = resource("notebooks") / "02_verify.ipynb"
FORMAT: Any = nbformat
# half typed, and not where it is called here


class Review(NamedTuple):
    """What the cells of the notebook came to: what they printed and showed, and why the last one failed."""

    printed: str
    shown: list[Any]
    why: str | None


def cells(path: Path = NOTEBOOK) -> list[Any]:
    """Return the code cells of a notebook."""
    return [cell for cell in FORMAT.read(path, as_version=4).cells if cell.cell_type == "code"]


@pytest.fixture
def review(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Review]:
    """Return what runs the notebook's cells with parameters, here and not in a kernel."""
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)

    def run(**given: Any) -> Review:
        names: dict[str, Any] = {}
        first, *rest = (cell.source for cell in cells())
        exec(first, names)
        names |= {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
        try:
            for source in rest:
                exec(source, names)
        except AssertionError as error:
            assert source is rest[-1]
            return Review(capsys.readouterr().out, shown, str(error))
        return Review(capsys.readouterr().out, shown, None)

    return run


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    """Return a run on a strategy and a market of somebody's own, and where these files are."""
    market, spec = str(market_csv(tmp_path / "day.csv")), f"{strategy_file(tmp_path)}:Buyer"
    config = DryrunConfig(strategy_id="mine", strategy_allowlist=("mine",), seed=7)
    made = run_dryrun(config, out_dir=tmp_path / "theirs", market=market, strategy=spec)
    return {"received": str(made.path), "market": market, "strategy_file": spec}


def test_sound_run_passes(published: Path, review: Callable[..., Review]) -> None:
    """A sound run is verified by both verifiers, drawn, and left as it was."""
    before = tree(published)
    done = review(received=published)
    assert done.why is None
    assert done.printed.splitlines()[-1].startswith("SEALED OK (executed again; run_digest ")
    assert "SEALED, 0 findings" in done.printed
    assert done.shown[0].data.startswith(b"\x89PNG")
    assert tree(published) == before


def test_nothing_received_is_said(review: Callable[..., Review], tmp_path: Path) -> None:
    """Without anything received a demo run is made, said to be one, and verified, in no folder of the user's."""
    done = review()
    assert done.why is None
    assert done.printed.startswith("nothing was received: a demo run of strat_demo, seed 123\n")
    assert list(tmp_path.iterdir()) == []


def test_demo_runs_are_removed() -> None:
    """The folder of the demo runs is gone when the process has ended."""
    program = "from c2lib.jupyter.notebook import VerifyParameters as V\nprint(*V().runs(), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    one, other = map(Path, done.stdout.split())
    assert one.parent == other.parent
    assert one != other
    assert not one.parent.parent.parent.exists()


def _flipped(run: Path) -> None:
    flip_byte(run / "events.jsonl", 400)


def _without_events(run: Path) -> None:
    (run / "events.jsonl").unlink()


def _rubbish(run: Path) -> None:
    for path in run.glob("*.json*"):
        path.write_bytes(b"\xff{")


def _forged(run: Path) -> None:
    forge(run, lambda manifest: manifest["inputs"].update(cancel={"step": 5, "reason": "enough"}))


@pytest.mark.parametrize(
    ("damage", "first", "last"),
    [
        (_flipped, "EVENT_ID_WRONG events.jsonl:1", "; c2lib: SEALED, 4 findings; second verifier: SEALED, 3 findings"),
        (_without_events, "MISSING_FILE events.jsonl; ", "; second verifier: SEALED, 1 findings"),
        (
            _rubbish,
            "MALFORMED_LINE events.jsonl:1",
            "; c2lib: SEALED, 16 findings; second verifier: SEALED, 5 findings",
        ),
        (_forged, "REPLAY_DIVERGED events.jsonl", "; second verifier: SEALED, 1 findings"),
    ],
)
def test_altered_run_fails_at_end(
    published: Path, review: Callable[..., Review], damage: Callable[[Path], None], first: str, last: str
) -> None:
    """A run that was altered is shown as far as it can be, and the last cell fails and names what was found."""
    damage(published)
    why = review(received=published).why
    assert why is not None
    assert why.startswith(first)
    assert why.endswith(last)
    assert len(why) < 1500


def test_evidence_is_verified(published: Path, review: Callable[..., Review], tmp_path: Path) -> None:
    """An evidence file is verified with the run that it lies in, or with the one that is named."""
    draft = write_evidence(published, date="2026-02-03", owner="Q")
    assert review(received=draft.path).why is None
    away = shutil.copy(draft.path, tmp_path)
    assert review(received=away, run=published).why is None
    with pytest.raises(RunPathError, match="name its run with --run DIR"):
        review(received=away)
    Path(away).write_text(draft.text.replace("COMPLETED", "STOPPED", 1))
    done = review(received=away, run=published)
    assert done.why is not None
    assert done.why.startswith("EVIDENCE_DIFFERS EV-20260203-")


def test_foreign_strategy_needs_consent(own: dict[str, str], review: Callable[..., Review]) -> None:
    """Market and strategy of somebody's own are named when they are missing, and taken from file or run."""
    with pytest.raises(ConfigError, match=r"--market FILE of sha256 [0-9a-f]{64}; add --strategy-file"):
        review(received=own["received"])
    with pytest.raises(ConfigError, match=r"--run-kept-strategy"):
        review(received=own["received"], market=own["market"])
    assert review(received=own["received"], market=own["market"], run_kept_strategy=True).why is None
    assert review(**own).why is None
    Path(own["market"]).write_text("date,open,high,low,close\n")
    with pytest.raises(MarketDataError, match="has sha256"):
        review(**own)


def test_known_digest_is_an_anchor(published: Path, review: Callable[..., Review]) -> None:
    """A sound run of another digest than the one that is known fails, by both verifiers."""
    digest = json.loads((published / "run_manifest.json").read_bytes())["run_digest"]
    assert review(received=published, expect_digest=digest).why is None
    done = review(received=published, expect_digest="0" * 64)
    assert done.why is not None
    assert done.why.startswith(f"RUN_DIGEST_WRONG run_manifest.json expected {'0' * 64}, seen {digest}")
    assert done.why.endswith("second verifier: SEALED, 1 findings")


def test_unsealed_run_is_a_choice(tmp_path: Path, review: Callable[..., Review]) -> None:
    """Another program's run passes as far as it can be checked, unless a seal is asked for."""
    OtherRun().write(tmp_path / "theirs")
    done = review(received=tmp_path / "theirs")
    assert done.why is None
    assert done.printed.splitlines()[-1] == "UNSEALED OK (not executed again; run_digest None)"
    done = review(received=tmp_path / "theirs", require_sealed=True)
    assert done.why is not None
    assert done.why.startswith("NOT_SEALED")


def test_difference_is_no_finding(published: Path, review: Callable[..., Review], tmp_path: Path) -> None:
    """A run that differs from another one is sound all the same; one that is not there is an error."""
    made = run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=8), out_dir=tmp_path)
    assert review(received=published, other_run=made.path).why is None
    with pytest.raises(RunPathError):
        review(received=published, other_run=tmp_path / "none")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"expect_digest": "0" * 64}, "received: is left out (name the run directory, or EV-….md, beside"),
        ({"run_kept_strategy": True}, "received: is left out"),
        ({"received": "x", "run": "y"}, "run: is for an evidence file, and received is none (leave it out)"),
        ({"received": "x", "expect_digest": "0" * 63}, "expect_digest: string should match pattern '^[0-9a-f]{64}$'"),
        ({"received": "x", "expect_digest": "F" * 64}, "expect_digest: string should match pattern '^[0-9a-f]{64}$'"),
        ({"received": "x", "expect_digest": 7}, "expect_digest: input should be a valid string (papermill's -r"),
        ({"received": 7}, "received: input should be a valid string"),
        ({"received": Path("x")}, "received: input should be a valid string"),
        ({"received": ["x"]}, "received: input should be a valid string"),
        ({"received": " "}, "received: is empty (give a value, or leave it out)"),
        ({"received": "x", "require_sealed": "true"}, "require_sealed: input should be a valid boolean"),
        ({"received": "x", "run_kept_strategy": 1}, "run_kept_strategy: input should be a valid boolean"),
        ({"recieved": "x"}, "recieved: is no parameter of this notebook (did you mean 'received'?)"),
        ({"seed": 7}, "seed: is no parameter of this notebook (it has expect_digest, market, other_run"),
        ({"received=1\nimport os": "x"}, "received=1\\nimport os: is no parameter of this notebook"),
        ({"received": "pass" + "word=hunter2hunter2"}, "received: looks like a secret"),
    ],
)
def test_unfit_parameter_is_refused(tmp_path: Path, parameters: dict[str, Any], message: str) -> None:
    """An unfit parameter of the reviewer's notebook is named in one line before the kernel starts."""
    with pytest.raises(RefusedParameterError) as caught:
        papermill.execute_notebook(NOTEBOOK, tmp_path / "o.ipynb", parameters, engine_name="c2lib", progress_bar=False)
    assert caught.value.message.startswith(message)
    assert "\n" not in caught.value.message
    assert "hunter2" not in caught.value.message
    assert list(tmp_path.iterdir()) == []


def papermill_call(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run papermill's command line on the notebook."""
    call = [sys.executable, "-m", "papermill", "--engine", "c2lib", "--no-progress-bar", str(NOTEBOOK), "o.ipynb"]
    return subprocess.run([*call, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_papermill_call_reviews(published: Path, tmp_path: Path) -> None:
    """One papermill call on a run directory exits 0 and logs the verdict, and 1 with one line when it was altered."""
    told = papermill_call(tmp_path, "-p", "received", str(published))
    assert told.returncode == 0, told.stderr
    assert told.stderr.splitlines()[-1].startswith("SEALED OK (executed again; run_digest ")
    flip_byte(published / "audit.jsonl", 300)
    told = papermill_call(tmp_path, "-p", "received", str(published))
    assert told.returncode == 1
    (line,) = [line for line in told.stderr.splitlines() if line.startswith("Error: cell [")]
    assert "audit.jsonl" in line
    assert "Traceback" not in told.stderr
    assert all(cell.execution_count for cell in cells(tmp_path / "o.ipynb"))


def test_shown_call_reviews(own: dict[str, str], tmp_path: Path) -> None:
    """The call that the page on verifying shows, pasted into bash beside what was received, comes to a verdict."""
    page = (PACKAGE.parent / "docs" / "verify.md").read_text(encoding="utf-8")
    (call,) = re.findall(r"```bash\n(\.venv/bin/papermill .*?)```", page, re.DOTALL)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "notebooks").symlink_to(NOTEBOOK.parent)
    shutil.copytree(own["received"], tmp_path / "received" / "theirs")
    Path(own["market"]).rename(tmp_path / "EURUSD_1h.csv")
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(["bash", "-ec", call], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].startswith("SEALED OK (executed again; run_digest ")


def test_missing_file_is_a_parameter(own: dict[str, str], tmp_path: Path) -> None:
    """What the replay lacks is named as papermill's parameter, with the hash that it must have."""
    told = papermill_call(tmp_path, "-p", "received", own["received"], "-p", "market", own["market"])
    assert told.returncode == 1
    assert "add -p strategy_file FILE.py:Buyer of sha256" in told.stderr
    assert "or -p run_kept_strategy" in told.stderr


def test_parameters_are_those_of_model() -> None:
    """The reviewer's notebook has exactly the parameters of its model, in order, each left out."""
    names: dict[str, Any] = {}
    exec(cells()[0].source, names)
    given = {name: value for name, value in names.items() if not name.startswith("__")}
    assert list(given) == list(VerifyParameters.model_fields)
    assert VerifyParameters(**given) == VerifyParameters()
    assert MODELS[FORMAT.read(NOTEBOOK, as_version=4).metadata["c2lib"]["parameters"]] is VerifyParameters


@pytest.mark.parametrize("name", ["--json", "-h", "a b", "$(x)"])
def test_strange_name_is_a_path(published: Path, name: str) -> None:
    """A run directory with a name like an option is a path to the second verifier."""
    place = published.rename(published.with_name(name))
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from c2lib.jupyter.notebook import second_verifier as s; print(s({name!r}).stdout)",
        ],
        cwd=place.parent,
        env={"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "SEALED, 0 findings" in done.stdout


def test_killed_verifier_is_no_answer(published: Path) -> None:
    """A second verifier that was killed before it printed anything keeps a sound run from being called sound."""
    killed = subprocess.CompletedProcess[str]([], -9, "", "")
    assert why_not_sound(verify_run(published, replay=False), killed).endswith("second verifier: exit code -9")


def test_second_verifier_stands_alone(published: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The second verifier has the standard library alone: neither c2lib nor what lies in the folder is imported."""
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert second_verifier(str(published)).returncode == 0
    assert second_verifier(str(tmp_path / "none")).stderr.startswith("no report possible: ")
