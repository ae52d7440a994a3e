"""What README.md and the operator's runbooks show is what a reader who pastes it gets."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from c2lib import DryrunConfig, LiveSessionOrchestrator
from c2lib.cli.main import _COMMANDS
from tests.app.runs import market_csv

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {"README.md": "buy_the_dip.py", "docs/operator-runbook.md": "mine.py", "docs/operator-runbook.de.md": "mine.py"}


def test_readme_shows_first_run() -> None:
    """The run_id and the number of events in README.md are those of the notebook's run with its defaults."""
    events: list[str] = []
    config = DryrunConfig(strategy_id="strat_demo", seed=123)
    result = LiveSessionOrchestrator().run_dryrun(config, event_sink=events, audit_sink=[])
    assert set(re.findall(r"dry-[0-9a-f]{12}", README)) == {result.run_id}
    assert re.findall(r"events\.jsonl +(\d+) events", README) == [str(len(events))]


def test_shown_commands_work(tmp_path: Path) -> None:
    """Each command of c2lib in README.md, pasted into bash one after the other beside the files it names, exits 0."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (source,) = re.findall(r"```python\n(from c2lib import OrderIntent\n.*?)```", README, re.DOTALL)
    (tmp_path / "buy_the_dip.py").write_text(source)
    market_csv(tmp_path / "EURUSD_1h.csv")
    lines = re.findall(r"^\.venv/bin/c2lib .*$", README, re.MULTILINE)
    env = {"PATH": "/usr/bin:/bin", "C2LIB_OUT": str(tmp_path / "out"), "HOME": str(tmp_path)}
    name = ""
    for line in lines:
        words = ["bash", "-ec", line.replace("dry-…", name)]
        done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout.count("\n")) == (0, 1), (line, done.stderr)
        name = name or json.loads(done.stdout)["run_id"]
    assert {line.split()[1] for line in lines} == {*_COMMANDS} - {"schema"}


@pytest.mark.parametrize(("page", "strategy"), PAGES.items(), ids=PAGES)
def test_shown_papermill_call_passes(tmp_path: Path, page: str, strategy: str) -> None:
    """The papermill call with a strategy of one's own, pasted into bash beside the files it names, writes a PASS."""
    (call,) = re.findall(
        r"```bash\n(\.venv/bin/papermill .*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL
    )
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    (source,) = re.findall(r"```python\n(from c2lib import OrderIntent\n.*?)```", README, re.DOTALL)
    (tmp_path / strategy).write_text(source if page == "README.md" else source.replace("BuyTheDip", "Mine"))
    rows = [f"2026-01-02 {n // 60:02}:{n % 60:02}:00,{100 + n % 7},110,90,{100 + n % 5}\n" for n in range(70)]
    for market in (tmp_path / "EURUSD_1h.csv", tmp_path / "data" / "EURUSD_1h.csv"):
        market.parent.mkdir(exist_ok=True)
        market.write_text("date,open,high,low,close\n" + "".join(rows))
    env = {"PATH": "/usr/bin:/bin", "C2LIB_OUT": str(tmp_path / "out"), "HOME": str(tmp_path)}
    done = subprocess.run(["bash", "-ec", call], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (draft,) = (tmp_path / "out" / "finish_c" / "c2").glob("dry-*/evidence/EV-*-PASS.md")
    assert "J. Doe" in draft.read_text(encoding="utf-8")
