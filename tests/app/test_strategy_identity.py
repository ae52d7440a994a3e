"""A run knows its strategy: what a user meets who edits a file and runs it again, all day."""

import functools
import json
import re
from pathlib import Path

import pytest

import c2lib
from c2lib.app.evidence import write_evidence
from c2lib.app.runner import run_dryrun
from c2lib.app.verify import verify_run
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError, RunConflictError, RunPathError, StrategyLoadError
from c2lib.core.vocabulary import Artifact
from c2lib.witness.findings import FindingCode
from tests.app.runs import BUYER, codes, forge, manifest_of, strategy_file, tree
from tests.app.sessions import Buyer

README = Path(__file__).parents[2] / "README.md"


def own(**values: object) -> DryrunConfig:
    """Return a config of a strategy of one's own, without a run_id."""
    return DryrunConfig.parse({"strategy_id": "mine", "strategy_allowlist": ["mine"], "seed": 7, "steps": 12} | values)


def runs(out: Path) -> list[Path]:
    """Return the run directories below an output root."""
    return sorted((out / "finish_c" / "c2").iterdir())


def test_twenty_edits_are_twenty_runs(tmp_path: Path) -> None:
    """Twenty edits of a file, one and the same call: twenty runs, each reproduced by the file that it was made with."""
    out, names = tmp_path / "out", []
    for edit in range(20):
        file = strategy_file(tmp_path, BUYER + f"# edit {edit}\n")
        result = run_dryrun(own(), out_dir=out, strategy=f"{file}:Buyer")
        assert (result.status, result.reproduced) == ("COMPLETED", False)
        names.append(result.run_id)
        assert run_dryrun(own(), out_dir=out, strategy=f"{file}:Buyer").reproduced
    assert len(set(names)) == len(runs(out)) == 20


def test_mended_strategy_runs(tmp_path: Path) -> None:
    """A strategy that raised does not stand in the way of its mended version."""
    file, out = strategy_file(tmp_path, BUYER.replace("return [", "raise ValueError; return [")), tmp_path / "out"
    assert run_dryrun(own(), out_dir=out, strategy=f"{file}:Buyer").status == "FAILED"
    strategy_file(tmp_path)
    assert run_dryrun(own(), out_dir=out, strategy=f"{file}:Buyer").status == "COMPLETED"


def test_edit_under_name_conflicts(tmp_path: Path) -> None:
    """Under a chosen run_id an edit and another parameter are named as what differs, and the advice is true."""
    file, out, config = strategy_file(tmp_path), tmp_path / "out", own(run_id="chosen")
    run_dryrun(config, out_dir=out, strategy=f"{file}:Buyer")
    before = tree(out)
    strategy_file(tmp_path, BUYER + "# a remark\n")
    other = own(run_id="chosen", strategy={"params": {"fast": 5}})
    with pytest.raises(RunConflictError) as caught:
        run_dryrun(other, out_dir=out, strategy=f"{file}:Buyer")
    assert caught.value.fields == ("strategy.params.fast", "strategy.sha256")
    assert "strategy.params.fast, strategy.sha256 (the strategy file was edited)" in str(caught.value)
    assert "leave run_id out" in str(caught.value)
    assert tree(out) == before
    assert run_dryrun(own(), out_dir=out, strategy=f"{file}:Buyer").status == "COMPLETED"


@pytest.mark.parametrize("name", ["sma_cross", "strat_demo"])
def test_built_in_name_is_refused(tmp_path: Path, name: str) -> None:
    """A file under the name of a built-in strategy is refused, and nothing is written."""
    file = strategy_file(tmp_path)
    with pytest.raises(ConfigError, match=f"^strategy_id: '{name}' is the name of a strategy of c2lib's own"):
        run_dryrun(own(strategy_id=name), out_dir=tmp_path / "out", strategy=f"{file}:Buyer")
    assert not (tmp_path / "out").exists()


def test_params_reach_strategy(tmp_path: Path) -> None:
    """The parameters of the config are what the strategy is given, and cannot change."""
    text = BUYER.replace("pass", "self.at = settings.params['at']; settings.params['at'] = 9", 1)
    file, out, config = strategy_file(tmp_path, text), tmp_path / "out", own(strategy={"params": {"at": 2}})
    failed = run_dryrun(config, out_dir=out, strategy=f"{file}:Buyer")
    assert failed.fail_reason is not None
    assert "'mappingproxy' object does not support item assignment" in failed.fail_reason
    strategy_file(tmp_path, BUYER.replace("pass", "self.at = settings.params['at']", 1).replace("== 2", "== self.at"))
    result = run_dryrun(own(strategy={"params": {"at": 99}}), out_dir=out, strategy=f"{file}:Buyer")
    assert (result.status, result.fills) == ("COMPLETED", 0)
    assert run_dryrun(config, out_dir=out, strategy=f"{file}:Buyer").fills == 1


def test_built_in_params_change_decisions(tmp_path: Path) -> None:
    """sma_cross with other windows and another quantity decides otherwise, under a run_id of its own."""
    values = {"strategy_id": "sma_cross", "seed": 3, "steps": 200}
    one, two = (
        run_dryrun(DryrunConfig(**values, strategy={"params": params}), out_dir=tmp_path / "out")
        for params in ({}, {"fast": 3, "slow": 9, "quantity": 5})
    )
    assert one.run_id != two.run_id
    assert two.fills > one.fills
    assert c2lib.verify_run(two.path or "", replay=True).ok


def test_strategy_file_is_kept(tmp_path: Path) -> None:
    """The very bytes of the file are kept and sealed, and a reviewer runs them by saying so."""
    file, out = tmp_path / "mine.py", tmp_path / "out"
    file.write_bytes(b"# -*- coding: latin-1 -*-\r\n# \xe9" + BUYER.encode() + b"# no line end")
    place = Path(run_dryrun(own(), out_dir=out, strategy=f"{file}:Buyer").path or "")
    assert (place / Artifact.STRATEGY).read_bytes() == file.read_bytes()
    file.unlink()
    sealed = manifest_of(place)
    assert sealed["artifacts"]["strategy.py"]["sha256"] == sealed["config"]["strategy"]["sha256"]
    report = verify_run(place, replay=True, run_kept_strategy=True)
    assert (report.ok, report.replayed) == (True, True)
    with pytest.raises(ConfigError, match=r"add --strategy-file FILE\.py:Buyer of sha256 [0-9a-f]{64}, or --run-kept"):
        verify_run(place)


def test_file_need_not_be_kept(tmp_path: Path) -> None:
    """With keep_strategy false nothing is kept, the hash stays sealed, and the reviewer needs the file."""
    file = strategy_file(tmp_path)
    result = run_dryrun(own(keep_strategy=False), out_dir=tmp_path / "out", strategy=f"{file}:Buyer")
    place = Path(result.path or "")
    assert not (place / Artifact.STRATEGY).exists()
    with pytest.raises(ConfigError, match=r"add --strategy-file FILE\.py:Buyer of sha256 [0-9a-f]{64}\)"):
        verify_run(place, run_kept_strategy=True)
    assert codes(place, strategy=f"{file}:Buyer") == []


def test_altered_kept_file_is_found(tmp_path: Path) -> None:
    """A kept file that was altered, exchanged with its seal, taken away or put there is found, and is not run."""
    file, out = strategy_file(tmp_path), tmp_path / "out"
    place = Path(run_dryrun(own(), out_dir=out, strategy=f"{file}:Buyer").path or "")
    kept = place / Artifact.STRATEGY
    evil = BUYER.replace("pass", f"open({str(tmp_path / 'ran')!r}, 'w')", 1).encode()
    kept.write_bytes(evil)
    found = codes(place, run_kept_strategy=True)
    assert set(found) == {FindingCode.DIGEST_WRONG, FindingCode.REPLAY_IMPOSSIBLE}
    with pytest.raises(RunConflictError, match=r"first in strategy\.py, line "):
        run_dryrun(own(), out_dir=out, strategy=f"{file}:Buyer")
    kept.unlink()
    assert FindingCode.MISSING_FILE in codes(place, run_kept_strategy=True)
    built_in = run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=1, steps=3), out_dir=out)
    (Path(built_in.path or "") / Artifact.STRATEGY).write_bytes(evil)
    assert codes(Path(built_in.path or ""), run_kept_strategy=True) == [FindingCode.UNEXPECTED_FILE]
    assert not (tmp_path / "ran").exists()


def test_secret_in_file_is_refused(tmp_path: Path) -> None:
    """A file with a secret in it is refused by its line before anything is written, and the secret is not shown."""
    word = "hunter2" * 2
    file = strategy_file(tmp_path, BUYER + f"API_KEY = '{word}'\n")
    line = BUYER.count("\n") + 1
    with pytest.raises(StrategyLoadError, match=rf"/mine\.py, line {line}: holds what looks like a secret") as caught:
        run_dryrun(own(), out_dir=tmp_path / "out", strategy=f"{file}:Buyer")
    assert word not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_imports_are_sealed(tmp_path: Path) -> None:
    """The manifest names what the file imports beyond the standard library, with the installed versions."""
    text = BUYER + "\ndef later():\n    import os, yaml, pydantic, no_such_module\n"
    file = strategy_file(tmp_path, text)
    place = Path(run_dryrun(own(), out_dir=tmp_path / "out", strategy=f"{file}:Buyer").path or "")
    imports = manifest_of(place)["strategy"]["imports"]
    assert sorted(imports) == ["no_such_module", "pydantic", "yaml"]
    assert imports["no_such_module"] is None
    assert all(re.fullmatch(r"[0-9.]+", imports[name]) for name in ("pydantic", "yaml"))


def test_other_import_versions_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of an import is no difference where the record is the same, and is named where it is not."""
    file = strategy_file(tmp_path, BUYER.replace("\nclass", "\nimport yaml\nclass") + "\nAT = 2\n")
    strategy, out = f"{file}:Buyer", tmp_path / "out"
    place = Path(run_dryrun(own(run_id="one"), out_dir=out, strategy=strategy).path or "")
    monkeypatch.setattr("c2lib.app.strategy_files._version", lambda module: "0.0.1")
    assert run_dryrun(own(run_id="one"), out_dir=out, strategy=strategy).reproduced
    report = verify_run(place, replay=True, strategy=strategy)
    assert report.ok
    (note,) = [text for text in report.unchecked if text.startswith("what the strategy imports: yaml ")]
    assert note.endswith(" then, 0.0.1 now")
    events = place / Artifact.EVENTS
    events.write_bytes(events.read_bytes().replace(b'"BUY"', b'"SELL"'))
    with pytest.raises(
        RunConflictError, match=r"the configs are equal; the strategy imports yaml .* then, 0\.0\.1 now"
    ):
        run_dryrun(own(run_id="one"), out_dir=out, strategy=strategy)


def test_forged_imports_diverge(tmp_path: Path) -> None:
    """An import that the manifest does not name, or names too many, is found by the replay."""
    file = strategy_file(tmp_path)
    place = Path(run_dryrun(own(), out_dir=tmp_path / "out", strategy=f"{file}:Buyer").path or "")
    forge(place, lambda manifest: manifest["strategy"].update(imports={"numpy": "1.0"}))
    assert codes(place, run_kept_strategy=True) == [FindingCode.REPLAY_DIVERGED]


def test_object_stays_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run on a class given in Python writes nothing unless a place is asked for."""
    monkeypatch.setenv("C2LIB_OUT", str(tmp_path / "out"))
    result = run_dryrun(own(), strategy=Buyer)
    assert (result.status, result.fills, result.path, result.run_digest) == ("COMPLETED", 1, None, None)
    assert re.fullmatch("mem-[0-9a-f]{12}", result.run_id)
    assert not (tmp_path / "out").exists()
    place = run_dryrun(own(), strategy=Buyer, out_dir=tmp_path / "asked").path
    assert place is not None
    assert manifest_of(Path(place))["strategy"]["origin"] == "object"


def test_object_is_never_compared(tmp_path: Path) -> None:
    """A run on a class given in Python meets no run of its name: it is refused, whatever is there."""
    config, out = own(run_id="chosen"), tmp_path / "out"
    run_dryrun(config, out_dir=out, strategy=Buyer)
    for strategy in (Buyer, functools.partial(Buyer)):
        with pytest.raises(RunPathError, match=r"compared with none: leave run_id out, or save the class in a file"):
            run_dryrun(config, out_dir=out, strategy=strategy)


@pytest.mark.parametrize("strategy", [Buyer, functools.partial(Buyer)])
def test_object_is_no_pass(tmp_path: Path, strategy: object) -> None:
    """Evidence of a run on an object is a FAIL that says why and what to do, and speaks of no missing hash."""
    place = run_dryrun(own(), out_dir=tmp_path, strategy=strategy).path
    assert place is not None
    draft = write_evidence(place, date="2026-01-31", owner="ops", strategy=strategy, plots=False)
    assert not draft.passed
    assert "re_executable" in draft.failed_claims
    assert "%%writefile strategy.py" in draft.text
    assert "is sealed by hash" not in draft.text


def test_evidence_names_file_strategy(tmp_path: Path) -> None:
    """Evidence of a run on a file shows its origin, class and hash, and a command that runs the kept file."""
    file = strategy_file(tmp_path)
    place = Path(run_dryrun(own(), out_dir=tmp_path / "out", strategy=f"{file}:Buyer").path or "")
    draft = write_evidence(place, date="2026-01-31", owner="ops", run_kept_strategy=True, plots=False)
    assert draft.passed
    assert manifest_of(place)["strategy"]["sha256"] in draft.text
    assert "`mine`, from a file, class `" in draft.text
    assert "run-kept-strategy" in draft.text
    assert "sma_cross" not in draft.text


def test_edited_readme_strategy_runs(tmp_path: Path, command: object) -> None:
    """The README's own strategy, edited after a run, runs again by the same command: twenty comments, twenty runs."""
    (text,) = re.findall(r"```python\n(from c2lib import OrderIntent.*?)```", README.read_text(), flags=re.DOTALL)
    (name,) = re.findall(r"class (\w+)", text)
    file, out = tmp_path / "strategy.py", tmp_path / "out"
    for number in range(20):
        file.write_text(text + f"# {number}\n")
        words = ("--strategy-id", "mine", "--allow", "mine", "--seed", "1", "--strategy-file", f"{file}:{name}")
        answer = command("dryrun", *words, "--out", out)  # type: ignore[operator] # a fixture
        assert answer.code == 0, answer
        assert json.loads(answer.out)["status"] == "COMPLETED"
    assert len(runs(out)) == 20
