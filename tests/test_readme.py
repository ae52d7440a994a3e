"""What README.md shows of the first run is what that run gives."""

import re
from pathlib import Path

from c2lib import DryrunConfig, LiveSessionOrchestrator

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")


def test_readme_shows_first_run() -> None:
    """The run_id and the number of events in README.md are those of the notebook's run with its defaults."""
    events: list[str] = []
    config = DryrunConfig(strategy_id="strat_demo", seed=123)
    result = LiveSessionOrchestrator().run_dryrun(config, event_sink=events, audit_sink=[])
    assert set(re.findall(r"dry-[0-9a-f]{12}", README)) == {result.run_id}
    assert re.findall(r"events\.jsonl +(\d+) events", README) == [str(len(events))]
