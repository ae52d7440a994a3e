"""What a notebook cell calls: parameters that are checked before papermill starts and inside the notebook, pictures.

No parameter holds a secret, since papermill writes parameters into the notebook that it leaves, as code and as data.
"""

from __future__ import annotations

import atexit
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Self

from c2lib.app.evidence import is_evidence, verify_evidence
from c2lib.app.paths import resource
from c2lib.app.runner import run_dryrun
from c2lib.app.verify import VerifyReport, verify_run
from c2lib.cli.parameters import CONFIG_FIELDS, DryrunOptions, Given, Request
from c2lib.core.canon import sha256_hex
from c2lib.core.config import DryrunConfig, check_run_id_for_directory
from c2lib.core.errors import ConfigError, RunPathError
from c2lib.core.redaction import secret_field
from c2lib.core.sealed import Sealed, Sha256, Text
from c2lib.core.vocabulary import RejectCode
from c2lib.evidence.plots import image, tear_sheet
from c2lib.evidence.render import checked_owner, evidence_name
from c2lib.witness.diff import diff_runs

if TYPE_CHECKING:
    from c2lib.app.evidence import EvidenceDraft
    from c2lib.session.result import DryrunResult
    from c2lib.witness.run import Run


class NotebookParameters(Sealed):
    """The parameters of a notebook of ours: its cell has ``""`` or 0 for what is left out; what is given is neither."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**{name: value for name, value in values.items() if not _is_empty(value)})
        except ConfigError as error:
            hint = f"papermill's -r {error.field} keeps text" if "a valid string" in error.problem else error.hint
            raise ConfigError(error.field, error.problem, hint=hint) from None
        field = secret_field(values)
        if field:
            raise ConfigError(field, "looks like a secret", hint="the notebook would keep it; take it out")

    @classmethod
    def check(cls, given: Mapping[str, Any]) -> None:
        """Raise :class:`ConfigError` for a parameter that is given but empty or 0, or does not fit."""
        for name, value in given.items():
            if _is_empty(value.strip() if isinstance(value, str) else value):
                problem = "is 0, which means left out" if value == 0 else "is empty"
                raise ConfigError(name, problem, hint="give a value, or leave it out")
        cls(**given)

    @classmethod
    def of(cls, names: Mapping[str, Any]) -> Self:
        """Return the parameters among the names of a notebook, ``globals()`` in a cell."""
        return cls(**{name: names[name] for name in cls.model_fields if name in names})


def _is_empty(value: Any) -> bool:
    return type(value) in (str, int, list, dict) and not value


class DryrunParameters(NotebookParameters, DryrunOptions):
    """The parameters of ``01_dryrun.ipynb``; what is left out comes from the config file, else from the config.

    >>> DryrunParameters(strategy_id="strat_demo", seed=1).config().steps is None
    True
    """

    evidence_date: Text = ""
    owner: Text = ""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.evidence()
        self.config()

    def config(self) -> DryrunConfig:
        """Return the config of these parameters; raise :class:`ConfigError` naming the one that does not fit."""
        given: list[Given] = [
            (name, CONFIG_FIELDS[name], value) for name, value in self if name in CONFIG_FIELDS and value
        ]
        params = self.strategy_params.items()
        given += [("strategy_params", f"strategy.params.{name}", value) for name, value in params]
        request = Request(given, self.config_file)
        with request.named():
            if self.strategy_file and not self.strategy_id and "strategy_id" not in request.values:
                hint = "name the strategy of the file, and allow it: --strategy-id mine --allow mine"
                raise ConfigError("strategy_id", "is left out", hint=hint)
            config = request.config(own_strategy=bool(self.strategy_file), strategy_id="strat_demo", seed=123)
            if config.run_id is not None:
                check_run_id_for_directory(config.run_id)
            return config

    def inputs(self) -> dict[str, str | None]:
        """Return market and strategy as ``run_dryrun`` and ``write_evidence`` take them."""
        return {"market": self.market or None, "strategy": self.strategy_file or None}

    def evidence(self) -> dict[str, str]:
        """Return date and owner as ``write_evidence`` takes them; a date that is left out is today's, in UTC."""
        date = self.evidence_date or datetime.now(UTC).date().isoformat()
        owner = self.owner or "not named"
        evidence_name(date, passed=True)
        checked_owner(owner)
        return {"date": date, "owner": owner}


class VerifyParameters(NotebookParameters):
    """The parameters of ``02_verify.ipynb``, named as the flags of ``c2lib verify``."""

    received: Text | None = None
    run: Text | None = None
    market: Text | None = None
    strategy_file: Text | None = None
    run_kept_strategy: bool = False
    expect_digest: Sha256 | None = None
    require_sealed: bool = False
    require_namespace: bool = False
    other_run: Text | None = None

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        given = [name for name, value in self if value]
        if given and not self.received:
            raise ConfigError("received", "is left out", hint=f"name the run directory, or EV-….md, beside {given[0]}")
        if self.run and not is_evidence(self.received or ""):
            raise ConfigError("run", "is for an evidence file, and received is none", hint="leave it out")

    def runs(self) -> tuple[str, str | None]:
        """Return the directory of the run, and that of the one to compare it with.

        When nothing was received, both are demo runs, in a folder that is removed when this process ends.
        """
        if self.received:
            inside = Path(self.received).parent.parent if is_evidence(self.received) else self.received
            return str(self.run or inside), self.other_run
        folder = mkdtemp(prefix="c2lib-demo-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        made = [run_dryrun(DryrunConfig(strategy_id="strat_demo", seed=seed), out_dir=folder) for seed in (123, 124)]
        return str(made[0].path), str(made[1].path)

    def verify(self, run: str) -> VerifyReport:
        """Return the report on the evidence file received, else on a run directory; a replay is part of it."""
        same = ("market", "run_kept_strategy", "expect_digest", "require_sealed", "require_namespace")
        given: dict[str, Any] = {name: getattr(self, name) for name in same} | {"strategy": self.strategy_file}
        if self.received and is_evidence(self.received):
            return verify_evidence(self.received, run=self.run, **given)
        return verify_run(run, **given)


def second_verifier(run: str, expect_digest: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the second verifier on a run directory, in a process that has the standard library alone."""
    program = str(resource("docs/contract") / "verify_run.py")
    anchor = ["--expect-digest", expect_digest] if expect_digest else []
    words = [sys.executable, "-I", "-S", program, *anchor, "--", run]
    return subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own program


def why_not_sound(report: VerifyReport, second: subprocess.CompletedProcess[str]) -> str:
    """Return what the two verifiers found in a run for the last cell's assertion, ``""`` where that is nothing."""
    if report.ok and second.returncode == 0:
        return ""
    # a verifier that was killed says nothing
    said = (second.stdout or second.stderr or f"exit code {second.returncode}").splitlines()[-1]
    found = [finding.text() for finding in report.findings]
    return "; ".join([*found[:3], f"c2lib: {report.verdict}, {len(found)} findings", f"second verifier: {said}"])


def papermill_words(text: str) -> str:
    """Return a message with ``-p tick_size 1`` in the place of ``--tick-size 1``: parameters for flags."""
    return re.sub(r"(?<!\S)--([a-z][a-z-]*)", lambda flag: f"-p {flag[1].replace('-', '_')}", text)


def why_no_pass(result: DryrunResult, draft: EvidenceDraft) -> str:
    """Return why the evidence of a run is no PASS, in the last cell's assertion."""
    claims = f"claims that do not hold: {', '.join(draft.failed_claims)}"
    hint = f"-p allow {result.strategy_id}" if result.reject_code is RejectCode.STRATEGY_NOT_ALLOWED else None
    return "; ".join(filter(None, (result.reject_reason, hint, result.fail_reason, *result.fail_lines, claims)))


def show_png(data: bytes) -> None:
    """Show a picture in the notebook and print its sha256, which nbval compares where it ignores the picture."""
    print(f"sha256 {sha256_hex(data)}")
    ipython = _ipython_display()
    ipython.display(ipython.Image(data, format="png"))


def show_tear_sheet(run: Run) -> None:
    """Show the tear sheet of a run; where a run is too damaged to be drawn, print why."""
    with _too_damaged(run):
        show_png(image(tear_sheet(run)))


def show_diff(run: Run, other: str | None) -> None:
    """Show how a run differs from another one; where a run is too damaged to be compared, print why."""
    with _too_damaged(run):
        if other:
            _ipython_display().display(diff_runs(run.path, other))
        else:
            print("nothing to compare with: -p other_run DIR")


@contextmanager
def _too_damaged(run: Run) -> Iterator[None]:
    try:
        yield
    except RunPathError as error:
        if not run.findings:
            raise
        print(f"too damaged: {error}")


def show_draft(draft: EvidenceDraft) -> None:
    """Show a draft in the notebook, without its day and with links in the place of pictures.

    A notebook has no such files beside itself, and what it shows of one run is the same on every day.
    """
    text = re.sub(r"EV-[0-9]{8}-", "EV-YYYYMMDD-", draft.text.replace("![", "["))
    ipython = _ipython_display()
    ipython.display(ipython.Markdown(re.sub(r"(?<=\*\*Date:\*\* )[0-9-]{10}", "YYYY-MM-DD", text)))


def _ipython_display() -> Any:
    # half of IPython is typed, and none of what is called here
    return import_module("IPython.display")
