"""The gate to live trading: nothing that a user can reach opens it, and where a test does, no PASS comes of it."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from papermill.cli import papermill

from c2lib.app.evidence import write_evidence
from c2lib.app.runner import run_dryrun
from c2lib.app.verify import verify_run
from c2lib.core.config import DryrunConfig, seal
from c2lib.core.errors import ConfigError
from c2lib.core.vocabulary import Artifact, RejectCode
from c2lib.evidence.claims import Replay, Verification, evaluate, failed_names, passed
from c2lib.evidence.figures import Measured
from c2lib.evidence.render import TEMPLATE_NAME, Stated, render
from c2lib.jupyter.notebook import DryrunParameters
from c2lib.session.orchestrator import LiveSessionOrchestrator
from c2lib.witness.findings import FindingCode, Verdict
from c2lib.witness.run import open_run
from tests.app.conftest import Command
from tests.app.runs import DEMO, RUN, manifest_of, place_below
from tests.app.sessions import CONFIG, OWN, Buyer
from tests.witness.sample_runs import make_run

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("value", ["true", "True"])
def test_yaml_true_is_rejected(command: Command, out: Path, tmp_path: Path, value: str) -> None:
    """A YAML config with enabled true is rejected before the first step with C2_REJECT_LIVE_ENABLED."""
    file = tmp_path / "run.yaml"
    file.write_text(f"strategy_id: strat_demo\nseed: 7\nrun_id: {RUN}\nenabled: {value}\n")
    answer = command("dryrun", "--config", file, "--out", out)
    assert (answer.code, answer.facts["reject_code"], answer.facts["steps"]) == (1, RejectCode.LIVE_ENABLED, 0)


@pytest.mark.parametrize("value", ['"true"', "yes", "on", "ON", "1", "1.0", "y", "[true]", "!!bool true"])
def test_yaml_lookalike_is_refused(command: Command, out: Path, tmp_path: Path, value: str) -> None:
    """A YAML value of enabled that is no plain boolean is an error with exit 2, and nothing is written."""
    file = tmp_path / "run.yaml"
    file.write_text(f"strategy_id: strat_demo\nseed: 7\nenabled: {value}\n")
    answer = command("dryrun", "--config", file, "--out", out)
    assert answer.code == 2
    assert answer.complaint.startswith((f"{file}, line 3: enabled: ", f"{file}, line 3: tags are refused"))
    assert not out.exists()


@pytest.mark.parametrize("words", [("--set", "enabled=true"), ("--set", "enabled=true", "--no-live", "namespace")])
def test_set_flag_is_rejected(command: Command, out: Path, words: tuple[str, ...]) -> None:
    """A run with --set enabled=true is rejected with C2_REJECT_LIVE_ENABLED under each NO-LIVE layer."""
    answer = command("dryrun", *DEMO, *words, "--out", out)
    assert (answer.code, answer.facts["reject_code"]) == (1, RejectCode.LIVE_ENABLED)


@pytest.mark.parametrize(
    "words",
    [
        ("--enabled",),
        ("--enabled", "true"),
        ("--enabled-override-for-tests",),
        ("--set", 'enabled="true"'),
        ("--set", "enabled=1"),
        ("--set", "enabled=yes"),
        ("--set", "Enabled=true"),
        ("--set", "enabled_override_for_tests=true"),
        ("--set", "market.enabled=true"),
    ],
)
def test_no_flag_opens_gate(command: Command, out: Path, words: tuple[str, ...]) -> None:
    """The command line has no flag for enabled or for its override, and refuses lookalikes with exit 2."""
    answer = command("dryrun", *DEMO, *words, "--out", out)
    assert (answer.code, answer.out, out.exists()) == (2, "", False)


@pytest.mark.parametrize("layer", ["hook", "namespace"])
def test_no_variable_opens_gate(command: Command, out: Path, monkeypatch: pytest.MonkeyPatch, layer: str) -> None:
    """No environment variable sets enabled, under the hook layer or in the child process of the namespace layer."""
    for name in ("ENABLED", "enabled", "C2LIB_ENABLED", "C2_ENABLED", "DRYRUN_ENABLED", "PYDANTIC_ENABLED"):
        monkeypatch.setenv(name, "true")
    command("dryrun", *DEMO, "--no-live", layer, "--out", out)
    assert manifest_of(place_below(out))["config"]["enabled"] is False
    assert '"meta":{"enabled":false}' in (place_below(out) / Artifact.AUDIT).read_text()


def test_no_notebook_parameter_opens_gate(tmp_path: Path) -> None:
    """The parameter enabled is refused by the notebook engine before a cell runs, and by DryrunParameters."""
    target = tmp_path / "out.ipynb"
    words = [str(ROOT / "notebooks" / "01_dryrun.ipynb"), str(target), "--engine", "c2lib", "-p", "enabled", "true"]
    answer = CliRunner().invoke(papermill, words)
    assert answer.exit_code == 2
    assert "enabled: is no parameter of this notebook" in answer.output
    assert not target.exists()
    with pytest.raises(ConfigError, match="enabled"):
        DryrunParameters(enabled=True)


def with_dict() -> DryrunConfig:
    """Return a config that was opened below its model."""
    config = CONFIG.model_copy()
    config.__dict__["enabled"] = True
    return config


def with_setattr() -> DryrunConfig:
    """Return a config whose frozenness was gone around."""
    config = CONFIG.model_copy()
    object.__setattr__(config, "enabled", True)
    return config


class Open(DryrunConfig):
    """A config of one's own."""

    enabled: bool = True


OBJECTS: dict[str, Callable[[], DryrunConfig]] = {
    "constructor": lambda: DryrunConfig(**{**CONFIG.model_dump(), "enabled": True}),
    "model_construct": lambda: DryrunConfig.model_construct(**{**dict(CONFIG), "enabled": True}),
    "model_copy": lambda: CONFIG.model_copy(update={"enabled": True}),
    "object.__setattr__": with_setattr,
    "__dict__": with_dict,
    "pickle": lambda: pickle.loads(pickle.dumps(with_dict())),
    "deepcopy": lambda: copy.deepcopy(with_setattr()),
    "subclass": lambda: Open(**CONFIG.model_dump(exclude={"enabled"})),
    "sealed before": lambda: seal(with_dict()),
}


@pytest.mark.parametrize("how", OBJECTS)
def test_no_config_object_opens_gate(how: str, out: Path) -> None:
    """Preflight rejects every config object with enabled true, however the object was made."""
    result = run_dryrun(OBJECTS[how](), out_dir=out)
    assert (result.reject_code, result.steps) == (RejectCode.LIVE_ENABLED, 0)
    in_memory = LiveSessionOrchestrator().run_dryrun(OBJECTS[how](), audit_sink=[])
    assert in_memory.reject_code is RejectCode.LIVE_ENABLED


@pytest.mark.parametrize("value", ["yes", 1, None, [True]])
def test_config_lookalike_is_refused(value: object, out: Path) -> None:
    """A config object whose enabled is no boolean raises a ConfigError that names enabled."""
    strange = DryrunConfig.model_construct(**{**dict(CONFIG), "enabled": value})
    with pytest.raises(ConfigError, match="enabled"):
        run_dryrun(strange, out_dir=out)
    with pytest.raises(ConfigError, match="enabled"):
        LiveSessionOrchestrator().run_dryrun(strange, audit_sink=[])


def test_frozen_config_cannot_be_set() -> None:
    """Assigning to enabled of a config raises ValueError, because the model is frozen."""
    with pytest.raises(ValueError, match="frozen"):
        CONFIG.enabled = True  # type: ignore[misc]  # the point of the test


def test_strategy_cannot_open_gate(out: Path) -> None:
    """A strategy that sets enabled on its config during a session changes nothing in the sealed config."""
    config = OWN.model_copy()

    class Opening(Buyer):
        """Sets the field of the config that it was run with."""

        def on_bar(self, bar: Any, view: Any) -> Any:
            """Set it, and buy as ever."""
            config.__dict__["enabled"] = True
            return super().on_bar(bar, view)

    run_dryrun(config, out_dir=out, strategy=Opening)
    assert manifest_of(place_below(out))["config"]["enabled"] is False


class TestOverride:
    """The orchestrator's argument for tests."""

    @pytest.fixture
    def overridden(self, tmp_path: Path) -> Path:
        """Return a sealed run of a session that went through the open gate."""
        run = make_run(enabled=True, enabled_override=True)
        assert run.status == "COMPLETED"
        return run.write(tmp_path)

    def test_published_runs_take_no_override(self) -> None:
        """The public run_dryrun takes no argument enabled_override_for_tests."""
        with pytest.raises(TypeError, match="enabled_override_for_tests"):
            run_dryrun(CONFIG, enabled_override_for_tests=True)  # type: ignore[call-arg]  # the point of the test

    def test_override_is_recorded(self, overridden: Path) -> None:
        """A run whose gate a test overrode is sealed and clean, and its record names the override."""
        seen = open_run(overridden)
        assert (seen.verdict, seen.findings, seen.summary.enabled_overridden) == (Verdict.SEALED, (), True)

    def test_override_replay_is_rejected(self, overridden: Path) -> None:
        """Verifying a run whose gate a test overrode reports REPLAY_DIVERGED, because a replay has no override."""
        codes = [finding.code for finding in verify_run(overridden, replay=True).findings]
        assert codes == [FindingCode.REPLAY_DIVERGED]

    def test_override_evidence_is_fail(self, overridden: Path) -> None:
        """The evidence of a run whose gate a test overrode is a FAIL that names the claim enabled_off."""
        draft = write_evidence(overridden, date="2026-01-01", owner="ops", plots=False)
        assert (draft.passed, "enabled_off" in draft.failed_claims) == (False, True)
        assert draft.path.endswith("-FAIL.md")
        assert "overridden by a test" in draft.text
        assert "A test overrode the gate to live trading: this run can never bear a PASS." in draft.text

    def test_override_alone_causes_fail(self, overridden: Path) -> None:
        """The override of the gate makes the evidence a FAIL also when the verifier finds nothing wrong."""
        summary = open_run(overridden).summary
        best = Verification(Verdict.SEALED, findings=0, replay=Replay.IDENTICAL)
        claims = evaluate(summary, best)
        assert (failed_names(claims), passed(claims)) == (("enabled_off",), False)
        template = (ROOT / "evidence_templates" / TEMPLATE_NAME).read_text(encoding="utf-8")
        text = render(template, summary, claims, best, Measured(), Stated("2026-01-01", "ops", {}))
        assert text.startswith("# EV-20260101-FINISH_C2-ORCH-DRYRUN-FAIL\n")
