"""Results show themselves: one line at a prompt, tables in a notebook, data frames."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import c2lib
from c2lib.core.config import seal
from c2lib.core.html import MAX_ROWS
from c2lib.session.session import RECENT
from c2lib.witness.rows import TABLES
from tests.app.sessions import OWN, Breaking, config
from tests.core.configs import SECRET
from tests.core.test_html import Read


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Return a result of each class, by the name of its class."""
    root = tmp_path_factory.mktemp("out")
    first = c2lib.run_dryrun(config(strategy_id="sma_cross"), out_dir=root)
    other = c2lib.run_dryrun(config(strategy_id="sma_cross", run_id="run_demo_002", seed=8), out_dir=root)
    assert first.path
    assert other.path
    damaged = Path(other.path)
    (damaged / "audit.jsonl").write_bytes(b"x\n" * 30)
    with c2lib.open_run(first.path) as run:
        found = [
            first,
            run,
            c2lib.verify_run(damaged, replay=False),
            c2lib.diff_runs(first.path, damaged),
            config(),
            seal(config()),
        ]
        yield {type(one).__name__: one for one in found}


CLASSES = ("DryrunResult", "Run", "VerifyReport", "RunDiff", "DryrunConfig", "SealedConfig")


@pytest.mark.parametrize("name", CLASSES)
def test_repr_is_one_line(results: dict[str, Any], name: str) -> None:
    """A repr is one short line that begins with the class and holds no path."""
    shown = repr(results[name])
    assert shown.startswith(f"{name}(")
    assert shown.isprintable()
    assert len(shown) < 250
    assert "/" not in shown


@pytest.mark.parametrize("name", CLASSES)
def test_html_shows_facts(results: dict[str, Any], name: str) -> None:
    """The HTML holds every fact that is not empty, the class and no path of this machine."""
    one = results[name]
    html = one._repr_html_()
    text = "".join(Read(html).text)
    assert name in text
    assert html == one._repr_html_()
    assert str(getattr(one, "path", "/nowhere")) not in html
    for label, value in one._named(one._look.facts):
        assert f"{label}{value}" in text


def test_every_fact_exists(results: dict[str, Any]) -> None:
    """Each name in the look of a result is an attribute of it, and of the rows of its tables."""
    for one in results.values():
        for name in " ".join(one._look[:3]).split():
            value = one
            for part in name.split("."):
                value = getattr(value, part)
    for name, table in (("VerifyReport", "findings"), ("Run", "phases"), ("RunDiff", "causes")):
        first = getattr(results[name], table)[0]
        assert all(hasattr(first, column) for column in results[name]._look.tables[table].split())


def test_long_tables_are_cut(results: dict[str, Any]) -> None:
    """Of many findings the first twenty are shown, and how many there are."""
    report = results["VerifyReport"]
    assert len(report.findings) > 20
    assert f"findings: first 20 of {len(report.findings)} rows" in report._repr_html_()


def test_failure_shows_reason(results: dict[str, Any]) -> None:
    """A result that failed shows code, reason, bar and the strategy's own lines; one that is fine shows none."""
    result = c2lib.run_dryrun(OWN, strategy=Breaking)
    assert "fail_code=C2_ABORT_EXCEPTION" in repr(result)
    text = "".join(Read(result._repr_html_()).text)
    assert "broken on purpose" in text
    assert "on bar 2" in text
    assert "fail" not in results["DryrunResult"]._repr_html_()


def test_secrets_are_not_shown() -> None:
    """A secret in a config's fields stands in neither its line nor its HTML."""
    draft = config(strategy_id=SECRET, strategy_allowlist=(SECRET,), run_id=SECRET)
    assert "hunter2" not in repr(draft) + draft._repr_html_()


def test_findings_become_frame(results: dict[str, Any]) -> None:
    """The findings of a report are a data frame with a column for each field, also where there are none."""
    report = results["VerifyReport"]
    frame = report.to_pandas("findings")
    assert list(frame.columns) == ["code", "file", "line", "event_id", "expected", "seen"]
    assert str(frame["line"].dtype) == "int64"
    assert frame["code"].tolist() == [finding.code for finding in report.findings]
    empty = type(report)(**{**{name: getattr(report, name) for name in report.__slots__}, "findings": ()})
    assert [str(kind) for kind in empty.to_pandas("findings").dtypes] == [str(kind) for kind in frame.dtypes]


def test_differences_become_frames(results: dict[str, Any]) -> None:
    """Causes, counts and endings of a diff are data frames; a table that does not exist is refused by name."""
    diff = results["RunDiff"]
    causes, counts = diff.to_pandas("causes"), diff.to_pandas("events.counts")
    assert list(causes.columns) == ["name", "a", "b"]
    assert causes["name"].tolist() == [cause.name for cause in diff.causes]
    assert counts["same"].tolist() == [tally.same for tally in diff.events.counts]
    assert {str(kind) for kind in counts.dtypes[1:]} == {"int64"}
    with pytest.raises(c2lib.ConfigError, match=r"must be one of causes, events.counts, audit.counts, ending"):
        diff.to_pandas("first")


@pytest.mark.parametrize(
    "ask", [lambda of: of["VerifyReport"].to_pandas("findings"), lambda of: of["RunDiff"].to_pandas("causes")]
)
def test_frames_need_pandas(
    results: dict[str, Any], monkeypatch: pytest.MonkeyPatch, ask: Callable[[dict[str, Any]], object]
) -> None:
    """Without pandas a data frame names the extra that brings it."""
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(c2lib.MissingExtraError, match=r"c2lib\[explore\]"):
        ask(results)


def test_config_classes_are_rich() -> None:
    """A draft and what sealing makes of it show the strategy and the name of the run."""
    sealed = seal(config(strategy_id="sma_cross", run_id=None))
    assert f"run_id={sealed.run_id}" in repr(sealed)
    assert "fast=" in "".join(Read(sealed._repr_html_()).text)


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "explore.md").read_text(encoding="utf-8")


def test_page_on_stepping_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """What the page on stepping shows meets an open order and ends with the result of all steps."""
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.partition("\n## Time travel")[0], re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(block, "docs/explore.md", "exec"), names)
    assert "OpenOrder(" in capsys.readouterr().out
    assert (names["result"].steps, names["result"].status) == (64, "COMPLETED")


def test_page_names_everything(results: dict[str, Any]) -> None:
    """The page names every public part of a session to step with, every table, and how many events are shown."""
    stepping = {"step", "run_n_steps", "cancel", "stop", "position", "equity", "bar", "open_orders", "events"}
    assert stepping <= set(re.findall(r"`session\.(\w+)", PAGE))
    assert stepping <= set(dir(c2lib.DryrunSession))
    tables = {*TABLES, *results["RunDiff"]._look.tables, *results["VerifyReport"]._look.tables}
    assert tables <= set(re.findall(r"`([\w.]+)`", PAGE))
    assert f"the last {RECENT} events" in PAGE
    assert f"the first {MAX_ROWS} rows" in PAGE
